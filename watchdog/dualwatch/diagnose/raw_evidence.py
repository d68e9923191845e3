"""The raw evidence that goes into a bundle, as text by the name of its file."""

from __future__ import annotations

import json
from pathlib import Path

from dualwatch.collectors.stacks import capture as stacks
from dualwatch.diagnose.examine import Examination
from dualwatch.report.bundle import bundle

MARK_BYTES = 200
LONGEST_LINE = 1 << 16


def gather(done: Examination) -> tuple[dict[str, str], dict[str, int]]:
    """File name -> text, and name -> bytes that are left out of it.

    What does not exist is left out, what cannot be read is not observed.
    """
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
    left_out: dict[str, int] = {}
    for name, path in files.items():
        try:
            raw[name], left_out[name] = _read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            done.not_observed[path.name] = f"cannot be read: {error.strerror or error}"
    return raw | _seen_now(done), left_out


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


def _read(path: Path) -> tuple[str, int]:
    """A file as text, of a large one the beginning and the newest, and the bytes left out.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        if size <= bundle.LARGEST:
            return stream.read(bundle.LARGEST).decode("utf-8", "replace"), 0
        head = stream.read(bundle.HEAD)
        head = head[: head.rfind(b"\n") + 1] or head
        stream.seek(size - (bundle.LARGEST - bundle.HEAD - MARK_BYTES))
        stream.readline(LONGEST_LINE)
        left_out = stream.tell() - len(head)
        newest = stream.read(bundle.LARGEST).decode("utf-8", "replace")
    return f"{head.decode('utf-8', 'replace')}{bundle.mark(left_out)}{newest}", left_out
