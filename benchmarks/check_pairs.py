"""How long ``dualwatch check CONFIG --all-pairs`` takes on a data set of 12,000 pairs.

Made in a temporary folder: two folders of small files, a VOC annotation for each pair, and a
configuration that names them. Every turn begins with a cold disk cache where the system lets us
drop it (root on Linux); the table says which it was. With ``--dualmacl`` the configuration imports
that plug-in, and with it mmdet and torch, which takes longer than all the rest.
Target: at most 10 s, cold, for the whole command.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measure

TARGET_S = 10.0
MODALITIES = ("visible", "infrared")

_XML = (
    "<annotation><size><width>640</width><height>512</height></size><object><name>person</name>"
    "<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>99</xmax><ymax>99</ymax></bndbox></object>"
    "</annotation>\n"
)
_CONFIG = """model = dict(
    type="FasterRCNN",
    data_preprocessor=dict(type="PairedDetDataPreprocessor"),
    macl_head=dict(type="MACLHead"),
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    dataset=dict(
        type="LLVIPDataset", data_root={root!r}, split="train", return_modality_pair=True
    ),
)
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=1)
visualizer = dict(type="Visualizer", vis_backends=[dict(type="TensorboardVisBackend")])
"""


def make(folder: Path, pairs: int, *, imports: bool = False) -> Path:
    """Writes the data set and a configuration of it; returns the configuration.

    Args:
        imports: Whether the configuration imports dualmacl.
    """
    root = folder / "pairs"
    for place in (*(f"{name}/train" for name in MODALITIES), "Annotations"):
        (root / place).mkdir(parents=True)
    for number in range(pairs):
        for name in MODALITIES:
            (root / name / "train" / f"{number:06d}.jpg").write_bytes(b"\xff\xd8\xff\xd9")
        (root / "Annotations" / f"{number:06d}.xml").write_text(_XML, encoding="utf-8")
    path = folder / "pairs_cfg.py"
    text = _CONFIG.format(root=root.as_posix())
    text += 'custom_imports = dict(imports=["dualmacl"])\n' if imports else ""
    path.write_text(text, encoding="utf-8")
    return path


def _cold(words: Sequence[str], *, cold: bool) -> measure.Cost:
    if cold:
        measure.drop_caches()
    return measure.run(words)


def main() -> None:
    """Measures and prints."""
    parser = measure.arguments(__doc__, runs=3)
    parser.add_argument("--pairs", type=int, default=12_000, help="default: %(default)s")
    parser.add_argument("--warm", action="store_true", help="leave the disk cache as it is")
    parser.add_argument("--dualmacl", action="store_true", help="the configuration imports it")
    options = parser.parse_args()
    cold = not options.warm and measure.drop_caches()
    with tempfile.TemporaryDirectory(prefix="dualwatch-pairs-") as folder:
        measure.say(f"making {options.pairs} pairs ...")
        config = make(Path(folder), options.pairs, imports=options.dualmacl)
        ours = [sys.executable, "-m", "dualwatch", "check", str(config), "--all-pairs"]
        measures = [functools.partial(_cold, ours, cold=cold)]
        (costs,) = measure.alternate(options.runs, measures)
    state = "cold: caches dropped before each" if cold else "warm: caches were not dropped"
    print(f"{measure.machine()}; {options.pairs} pairs; {options.runs} runs, {state}\n")
    row = [
        "check --all-pairs",
        measure.show(measure.spread([cost.wall for cost in costs]), 2, " s"),
        measure.show(measure.spread([cost.cpu for cost in costs]), 2, " s"),
        measure.show(measure.spread([cost.peak / measure.MB for cost in costs]), 0, " MB"),
        ", ".join(sorted({str(cost.code) for cost in costs})),
    ]
    print(measure.table(["command", "wall", "CPU", "peak memory", "exit code"], [row]))
    longest = max(cost.wall for cost in costs)
    print(f"\nlongest check: {longest:.2f} s; target: {TARGET_S:g} s at 12,000 pairs")


if __name__ == "__main__":
    main()
