"""What runs inside the training process.

Standard library and mmengine only, and nothing newer than Python 3.8: this code is loaded into
whatever Python the training uses. It never raises into the training: what fails is written to
``agent-error.txt`` beside the heartbeat.
"""

import os

_HERE = os.path.dirname(os.path.abspath(__file__))

SITE_FOLDER = os.path.join(_HERE, "site")
"""First on the training's PYTHONPATH: its ``sitecustomize`` loads the agent."""

TRAIN_SCRIPT = os.path.join(_HERE, "mmengine", "train_script.py")
"""The training script for users who have none."""

DESCRIBE_CONFIG = os.path.join(_HERE, "mmengine", "describe_config.py")
"""Loads a configuration in the training's Python and prints it."""
