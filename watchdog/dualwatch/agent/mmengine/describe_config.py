"""Loads a configuration as the training would, and prints it as JSON.

Run as a file, in a child process of the training's Python, with a time limit: a configuration is
Python code. Usage: ``describe.py SCRIPT_FOLDER CONFIG [K=V ...]``. Prints one JSON document on its
last line; errors are part of it.

With ``--build`` before the folder, a second document follows: what building the training's parts
as a trial has shown, see ``build_parts``. The first one is complete even where that never ends.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
import sys
import traceback

SECTIONS = (
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "train_cfg",
    "optim_wrapper",
    "param_scheduler",
    "auto_scale_lr",
    "default_hooks",
    "custom_hooks",
    "env_cfg",
    "custom_imports",
    "visualizer",
    "data",
    "log_config",
)


def main(config: str, options: list[str], loaded: list[object] | None = None) -> dict[str, object]:
    """Returns the description, or ``{"error": ...}``; puts the configuration into ``loaded``."""
    try:
        # A training without torch cannot start: say so now. Importing it would take the most of
        # the time, and most configurations do not need it to be loaded.
        if importlib.util.find_spec("torch") is None:
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        from mmengine.config import Config
    except ImportError as error:
        return {"error": "import", "module": error.name or "", "text": str(error)}
    try:
        cfg = Config.fromfile(config)
        if options:
            cfg.merge_from_dict(_parse_options(options))
        if loaded is not None:
            loaded.append(cfg)
        plain = {name: _plain(cfg.get(name)) for name in SECTIONS}
        return {
            "whole": {str(k): _plain(v) for k, v in cfg.items()} if loaded is not None else None,
            "work_dir": cfg.get("work_dir"),
            "load_from": cfg.get("load_from"),
            "resume_from": cfg.get("resume_from"),
            "resume": bool(cfg.get("resume", False)),
            "named": sorted(str(k) for k, v in cfg.items() if v is not None),
            "is_training": cfg.get("train_dataloader") is not None,
            "model_words": sorted(_words(cfg.get("model"))),
            "min_batch": _min_batch(cfg.get("model")),
            "preprocessor": _preprocessor(cfg),
            **plain,
        }
    except SyntaxError as error:
        # mmengine parses the text itself, so Python does not know the file's name.
        text = "{} in line {}: {}".format(error.msg, error.lineno, (error.text or "").strip())
        return {"error": "load", "kind": type(error).__name__, "text": text, "trace": []}
    except BaseException as error:
        return {
            "error": "load",
            "kind": type(error).__name__,
            "text": str(error),
            "cause": _cause(error),
            "trace": traceback.format_exc().splitlines()[-12:],
        }


def _cause(error):
    """The exception that an error began with, "" where it began itself."""
    first = error
    while first.__cause__ is not None or first.__context__ is not None:
        first = first.__cause__ or first.__context__
    return "" if first is error else "{}: {}".format(type(first).__name__, first)


def _parse_options(pairs):
    """Turns ``K=V`` words into a dictionary with mmengine's own rules for values."""
    import argparse

    from mmengine.config import DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser.parse_args(["--cfg-options", *pairs]).cfg_options


def _plain(value):
    """JSON-able copy; classes of the pure-Python style become their names."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return getattr(value, "__name__", None) or str(value)


def _words(value):
    """Every key and type of the model: where MACL would be mentioned."""
    words = set()
    if isinstance(value, dict):
        for key, item in value.items():
            words.add(str(key))
            if key == "type":
                words.add(str(_plain(item)))
            words |= _words(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            words |= _words(item)
    return words


def _preprocessor(cfg):
    """Type of the data preprocessor: the model's, else the top-level one."""
    model = cfg.get("model")
    sections = (model.get("data_preprocessor") if isinstance(model, dict) else None,
                cfg.get("data_preprocessor"))  # fmt: skip
    for section in sections:
        if isinstance(section, dict) and section.get("type"):
            return str(_plain(section["type"])).rpartition(".")[2]
    return ""


def _min_batch(value):
    """The largest ``min_batch`` or ``min_batch_size`` that a part of the model names, 0 if none."""
    found = [0]
    if isinstance(value, dict):
        for key, item in value.items():
            is_floor = key in ("min_batch", "min_batch_size") and type(item) is int
            found.append(item if is_floor else _min_batch(item))
    elif isinstance(value, (list, tuple)):
        found += [_min_batch(item) for item in value]
    return max(found)


def _print(mark, document):
    # Configurations may print: each document is a line of its own, and marked.
    sys.stdout.write("\n" + mark + " " + json.dumps(document, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    words = sys.argv[1:]
    wants_build = words[:1] == ["--build"]
    folder, path, *given = words[1:] if wants_build else words
    here = sys.path[0]
    # `custom_imports` must find what the training will find: its script's folder comes first.
    sys.path[0] = folder
    kept: list[object] = []
    _print("dualwatch-config", main(path, given, kept if wants_build else None))
    if kept:
        parts = runpy.run_path(here + "/build_parts.py")
        _print("dualwatch-parts", parts["build"](kept[0]))
