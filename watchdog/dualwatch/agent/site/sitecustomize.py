"""First on the training's PYTHONPATH: loads the agent, then the user's own sitecustomize.

Python imports ``sitecustomize`` at every start. This one does as little as possible: it loads
``dualwatch`` from its own location (the training's Python need not have it installed), lets the
agent set its import hook, and runs the ``sitecustomize`` that it hides, if there is one.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _load_agent():
    if "DUALWATCH_ATTEMPT_DIR" not in os.environ:
        return
    import importlib.util

    package_dir = os.path.dirname(os.path.dirname(_HERE))
    if "dualwatch" not in sys.modules:
        # By its path: another version may be installed in this Python, and the folder above
        # contains all packages of the supervisor's Python, which must not leak in.
        spec = importlib.util.spec_from_file_location(
            "dualwatch",
            os.path.join(package_dir, "__init__.py"),
            submodule_search_locations=[package_dir],
        )
        assert spec is not None
        assert spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules["dualwatch"] = package
        spec.loader.exec_module(package)
    from dualwatch.agent import bootstrap

    bootstrap.prepare()


def _chain_to_hidden():
    """Runs the sitecustomize that is hidden by this one."""
    import importlib.machinery
    import importlib.util

    rest = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


try:
    _load_agent()
except Exception as error:  # A broken agent must never keep a training from starting.
    try:
        _log = os.path.join(os.environ["DUALWATCH_ATTEMPT_DIR"], "agent-error.txt")
        with open(_log, "a", encoding="utf-8") as _stream:
            _stream.write(f"loading the agent: {error!r}\n")
    except Exception:
        pass

_chain_to_hidden()
