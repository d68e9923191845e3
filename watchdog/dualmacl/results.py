"""Measures what the README's table of results claims.

``python -m dualmacl.results --configs configs/demo --data data/synthetic-llvip --out results``
trains every variant with every seed, one after the other, and prints the table. What has been
measured is kept in ``OUT/results.json``; a second call goes on where the first one ended.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

VARIANTS = {
    "both, with MACL": "dualmacl_tiny_synthetic_2e.py",
    "both, without MACL": "dual_tiny_synthetic_2e.py",
    "visible only": "visible_tiny_synthetic_2e.py",
    "infrared only": "infrared_tiny_synthetic_2e.py",
    "both, with MACL, shuffled pairs": "dualmacl_tiny_synthetic_2e_shuffled.py",
}
# The loss at the end of an epoch is the mean over this many of its last log lines.
LAST_LINES = 5


def measure(scalars: Path) -> dict[str, list[float]]:
    """Reads a training's ``scalars.json``.

    Returns:
        ``mAP``: one value an epoch; ``loss_macl``: the mean over the epoch's last ``LAST_LINES``
        log lines (empty without MACL).
    """
    maps: list[float] = []
    losses: dict[int, list[float]] = {}
    for line in scalars.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if "val/pascal_voc/mAP" in record:
            maps.append(record["val/pascal_voc/mAP"])
        elif "train/loss_macl" in record:
            losses.setdefault(record["epoch"], []).append(record["train/loss_macl"])
    ends = [values[-LAST_LINES:] for _, values in sorted(losses.items())]
    return {"mAP": maps, "loss_macl": [sum(end) / len(end) for end in ends]}


def train(config: Path, data: Path, work_dir: Path, seed: int) -> dict:
    """Trains one variant in a process of its own.

    Raises:
        subprocess.CalledProcessError: If the training fails.
    """
    program = (
        "import sys; from mmengine.config import Config; from mmengine.runner import Runner\n"
        "cfg = Config.fromfile(sys.argv[1]); cfg.work_dir = sys.argv[3]\n"
        "cfg.randomness.seed = int(sys.argv[4])\n"
        "train = cfg.train_dataloader.dataset\n"
        "for dataset in (train.get('dataset', train), cfg.val_dataloader.dataset,\n"
        "                cfg.test_dataloader.dataset):\n"
        "    dataset.data_root = sys.argv[2]\n"
        "Runner.from_cfg(cfg).train()\n"
    )
    start = time.monotonic()
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / "console.log").open("w", encoding="utf-8") as console:
        subprocess.run(
            [sys.executable, "-c", program, str(config), str(data), str(work_dir), str(seed)],
            check=True,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    seconds = time.monotonic() - start
    newest = max(work_dir.glob("*/vis_data/scalars.json"), key=lambda path: path.stat().st_mtime)
    return {**measure(newest), "seconds": round(seconds)}


def table(results: dict[str, dict]) -> str:
    """The results as a Markdown table, one line for each variant and seed."""
    lines = [
        "| variant | seed | mAP, epoch 1 | epoch 2 | loss_macl, epoch 1 | epoch 2 |",
        "|---|---|---|---|---|---|",
    ]
    for key, result in results.items():
        variant, seed = key.rsplit("/", 1)
        maps = [f"{value:.3f}" for value in result["mAP"]]
        losses = [f"{value:.2f}" for value in result["loss_macl"]] or ["-", "-"]
        lines.append(f"| {' | '.join([variant, seed, *maps, *losses])} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m dualmacl.results", description=__doc__)
    parser.add_argument("--configs", type=Path, default=Path("configs/demo"))
    parser.add_argument("--data", type=Path, default=Path("data/synthetic-llvip"))
    parser.add_argument("--out", type=Path, default=Path("work_dirs/results"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    store = args.out / "results.json"
    results = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    for variant in args.only:
        for seed in args.seeds:
            key = f"{variant}/{seed}"
            if key in results:
                continue
            print(f"training {key} ...", file=sys.stderr, flush=True)
            name = VARIANTS[variant]
            work_dir = args.out / f"{Path(name).stem}-seed{seed}"
            results[key] = train(args.configs / name, args.data, work_dir, seed)
            store.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table(results))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
