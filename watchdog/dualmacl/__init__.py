"""dualmacl: person detection on visible + infrared pairs, with a contrastive loss between the two.

An MMDetection plug-in. Naming it in a configuration is enough to register everything::

    custom_imports = dict(imports=["dualmacl"], allow_failed_imports=False)
"""

from . import datasets, faults, models, transforms

__all__ = ["datasets", "faults", "models", "transforms"]
