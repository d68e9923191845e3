"""Runs inside the training process.

Python 3.8 or newer, the standard library, and what the training imported anyway. Nothing here
raises into the training: errors are written to ``agent-error.txt`` in the attempt's folder.
"""

import os

_HERE = os.path.dirname(os.path.abspath(__file__))

SITE_FOLDER = os.path.join(_HERE, "site")
"""First on the training's PYTHONPATH: its ``sitecustomize`` loads the agent."""
