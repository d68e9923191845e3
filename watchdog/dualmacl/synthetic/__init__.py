"""A synthetic substitute for LLVIP: night scenes, generated without a download.

Run ``python -m dualmacl.synthetic OUT --pairs N --seed S``.
"""

from .scene import Scene, make_scene
from .writer import OutputFolderError, Recipe, write_dataset

__all__ = ["OutputFolderError", "Recipe", "Scene", "make_scene", "write_dataset"]
