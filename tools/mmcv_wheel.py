"""Prints the path of an mmcv wheel for this Python's torch; compiles it unless it is kept.

    python tools/mmcv_wheel.py CACHE cpu|cuda

It is a file beside bootstrap.py because it runs in the environment, where torch can be asked.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import torch
from filelock import FileLock  # torch depends on it

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
HEADER = "#include <torch/types.h>\n#include <torch/library.h>\n#include <vector>\n"
# Most of the time goes into torch's headers, which are the same for each file. This compiler
# precompiles them once, with the first file's own flags. Files that are compiled before that is
# done, or for which the compiler refuses the header, are compiled without it.
WRAPPER = """\
#!/bin/sh
case " $* " in *" -c "*) ;; *) exec {cxx} "$@" ;; esac
if mkdir {header}.claimed 2>/dev/null; then (
  skip=
  for word do
    shift
    if [ "$skip" ]; then skip=; continue; fi
    case $word in
      -o | -MF) skip=1 ;;
      -MMD | -c | *.cpp) ;;
      *) set -- "$@" "$word" ;;
    esac
  done
  {cxx} "$@" -w -x c++-header {header} -o {header}.new && mv {header}.new {header}.gch
) fi
[ -f {header}.gch ] && {cxx} "$@" -w -Werror=invalid-pch -include {header} && exit
exec {cxx} "$@"
"""


def key(version: str, where: str) -> str:
    """Returns the cache folder of a wheel, which names all that its binary depends on."""
    python = "cp{}{}".format(*sys.version_info[:2])
    return f"mmcv-{version}-torch-{torch.__version__}-{python}-{sysconfig.get_platform()}-{where}"


def build_environment(folder: Path, cuda: bool) -> dict[str, str]:
    """Returns the variables for compiling mmcv; `folder` takes the precompiled header."""
    env = {**os.environ, "MMCV_WITH_OPS": "1", "FORCE_CUDA": str(int(cuda))}
    cores = memory = os.cpu_count() or 1
    with contextlib.suppress(AttributeError, ValueError, OSError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2_000_000_000
    env.setdefault("MAX_JOBS", str(max(1, min(cores, memory))))  # a compiler takes up to 2 GB
    if os.name == "posix":
        # Without debug symbols a file takes half the time and the result a fraction of the space.
        env["CFLAGS"] = (env.get("CFLAGS", "") + " -g0").strip()
        names = map(shutil.which, ("c++", "g++", "clang++"))
        cxx = env.get("CXX") or shlex.quote(next(filter(None, names), "c++"))
        header, wrapper = folder / "torch.h", folder / "dualwatch-c++"
        header.write_text(HEADER)
        wrapper.write_text(WRAPPER.format(cxx=cxx, header=shlex.quote(str(header))))
        wrapper.chmod(0o755)
        # Found by its name: torch and ninja expect no space in the path of a compiler.
        env.update(CXX=wrapper.name, PATH=f"{folder}{os.pathsep}{env.get('PATH', '')}")
    return env


def compile_into(keep: Path, version: str, cuda: bool) -> None:
    """Compiles mmcv with its operators and moves the wheel into a folder."""
    for unfinished in keep.glob("building-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=keep) as folder:
        # pip's own cache is left out: it would return a wheel made for another torch.
        command = [sys.executable, "-m", "pip", "wheel", "--no-cache-dir", "--no-deps"]
        command += ["--no-build-isolation", "--no-binary=mmcv", "-c", str(CONSTRAINTS)]
        command += ["-w", folder, f"mmcv=={version}"]
        env = build_environment(Path(folder), cuda)
        subprocess.run(command, env=env, check=True, stdout=sys.stderr)
        for built in Path(folder).glob("*.whl"):
            built.replace(keep / built.name)


def main(cache: str, device: str) -> str:
    """Returns the path of the wheel."""
    where, cuda = "cpu", device == "cuda"
    if cuda and not torch.cuda.is_available():
        sys.exit(
            f"error: torch {torch.__version__} does not see the GPU (see DUALWATCH_TORCH_INDEX)"
        )
    if cuda:
        where = "cuda{}.{}".format(*torch.cuda.get_device_capability())
    pins = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    version = next(line[6:] for line in pins if line.startswith("mmcv=="))
    keep = Path(cache) / key(version, where)
    keep.mkdir(parents=True, exist_ok=True)
    with FileLock(keep / "lock"):
        if not list(keep.glob("*.whl")):
            compile_into(keep, version, cuda)
    return str(next(keep.glob("*.whl")))


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
