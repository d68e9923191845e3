"""The agent's adapter for mmengine's Runner."""

import os

_HERE = os.path.dirname(os.path.abspath(__file__))

TRAIN_SCRIPT = os.path.join(_HERE, "train_script.py")
"""The training script for users who have none."""

DESCRIBE_CONFIG = os.path.join(_HERE, "describe_config.py")
"""Loads a configuration in the training's Python and prints it."""
