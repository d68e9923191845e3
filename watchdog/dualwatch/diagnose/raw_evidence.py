"""The raw evidence that goes into a bundle, as text by the name of its file."""

from __future__ import annotations

import json
from pathlib import Path

from dualwatch.collectors.stacks import capture as stacks
from dualwatch.diagnose.examine import Examination

MAX_BYTES = 9 << 20
"""Read of each file, the newest of it; the bundle keeps a little less."""


def gather(done: Examination) -> dict[str, str]:
    """File name -> text; what does not exist is left out, what cannot be read is not observed."""
    target = done.target
    files: dict[str, Path] = {}
    if target.log is not None:
        files[target.log.name] = target.log
    if target.scalars is not None and target.scalars != target.log:
        files["scalars.json"] = target.scalars
    if done.config is not None and done.config.path != str(target.log):
        files[f"config{Path(done.config.path).suffix}"] = Path(done.config.path)
    if target.attempt_dir is not None:
        own = target.attempt_dir.parent
        files |= {name: own / name for name in ("journal.jsonl", "summary.json")}
        files |= {
            f"earlier-{path.name}": path
            for path in sorted((target.attempt_dir / "stacks").glob("stacks-*.txt"))[-3:]
        }
    raw: dict[str, str] = {}
    for name, path in files.items():
        text = _read(path, done)
        if text is not None:
            raw[name] = text
    return raw | _seen_now(done)


def _seen_now(done: Examination) -> dict[str, str]:
    s = done.snapshot
    raw: dict[str, str] = {}
    captured = [stacks.readable(capture.stacks) for capture in s.stacks]
    if captured and done.target.training is not None:
        raw["stacks.txt"] = "\n".join(
            f"--- look {number} ---\n{text}" for number, text in enumerate(captured, start=1)
        )
    if done.nvidia_smi:
        raw["nvidia-smi.txt"] = done.nvidia_smi
    if s.host is not None and s.host.kernel:
        raw["kernel.txt"] = "\n".join(s.host.kernel) + "\n"
    if s.batches:
        outlines = {
            f"rank {rank}": {"outline": batch.outline, "losses": batch.losses}
            for rank, batch in s.batches.items()
        }
        raw["batches.json"] = json.dumps(outlines, indent=1) + "\n"
    return raw


def _read(path: Path, done: Examination) -> str | None:
    """The newest part of a file as text, None where it cannot be read."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - MAX_BYTES))
            return stream.read(MAX_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        done.not_observed[path.name] = f"cannot be read: {error.strerror or error}"
        return None
