"""Gives the modules of Python's library their whole file names; run by the Python they belong to.

The archive has them compiled only, under names like "threading.py": stacks then show no folder.
"""

import marshal
import os
import sys
import types

HEADER = 16


def renamed(code: types.CodeType, file: str) -> types.CodeType:
    inner = [renamed(c, file) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    return code.replace(co_filename=file, co_consts=tuple(inner))


def main() -> None:
    library = os.path.dirname(os.__file__)
    for folder, _, names in os.walk(library):
        if "site-packages" in folder:
            continue
        for name in names:
            if name.endswith(".pyc"):
                path = os.path.join(folder, name)
                with open(path, "rb") as stream:
                    head, code = stream.read(HEADER), marshal.load(stream)
                with open(path, "wb") as stream:
                    stream.write(head)
                    marshal.dump(renamed(code, path[:-1]), stream)


if __name__ == "__main__":
    sys.exit(main())
