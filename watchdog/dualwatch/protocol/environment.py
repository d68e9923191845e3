"""Variables by which a remedy changes the environment of a rerun.

Standard library only, for Python 3.8, as the rest of this package.
"""

from __future__ import annotations

NO_POOLS = "DW_NO_POOLS"
"""Pools of processes in an evaluation work in the training's own process."""

OWN_BUILDS = "DW_OWN_BUILDS"
"""Extensions are built in a folder of the run, which ``BUILD_FOLDER`` names to torch."""

BUILD_FOLDER = "TORCH_EXTENSIONS_DIR"

NETWORK_LIMIT = "DW_NETWORK_LIMIT"
"""Seconds after which a server that does not answer is an error, where the code sets no limit."""

WANDB_MODE = "WANDB_MODE"
