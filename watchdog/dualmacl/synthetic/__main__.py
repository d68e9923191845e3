"""``python -m dualmacl.synthetic OUT --pairs N --seed S``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .writer import OutputFolderError, Recipe, write_dataset


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns 0 (written or there already) or 2 (refused)."""
    parser = argparse.ArgumentParser(
        prog="python -m dualmacl.synthetic",
        description="Write a synthetic visible + infrared pedestrian set in the layout of LLVIP.",
    )
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--pairs", type=int, default=300, help="training pairs (default: 300)")
    parser.add_argument("--test-pairs", type=int, help="test pairs (default: a quarter of --pairs)")
    parser.add_argument("--seed", type=int, default=0, help="seed (default: 0)")
    parser.add_argument("--width", type=int, default=160, help="pixels (default: 160)")
    parser.add_argument("--height", type=int, default=128, help="pixels (default: 128)")
    parser.add_argument(
        "--force", action="store_true", help="replace the output of other arguments"
    )
    args = parser.parse_args(argv)
    test_pairs = max(1, args.pairs // 4) if args.test_pairs is None else args.test_pairs
    try:
        recipe = Recipe(args.pairs, test_pairs, args.seed, args.width, args.height)
        written = write_dataset(args.out, recipe, args.force)
    except (OutputFolderError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    what = "wrote" if written else "already there:"
    print(f"{what} {recipe.pairs} training and {recipe.test_pairs} test pairs in {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
