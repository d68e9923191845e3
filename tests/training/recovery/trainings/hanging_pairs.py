"""The reader of image pairs of the MMDetection plug-in, some of whose pairs hang."""

from dualmacl.transforms import LoadImagePair
from hangs import Hang
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class HangingPairLoader(LoadImagePair):
    """``LoadImagePair``; ``at`` of a hang is an ``img_id``.

    Args:
        hangs: Arguments of ``Hang``, for each fault.
        signs: Folder where hangs are counted.
    """

    def __init__(self, hangs=(), signs=None, **kwargs):
        super().__init__(**kwargs)
        self.hangs = [Hang(**hang, signs=signs) for hang in hangs]

    def transform(self, results):
        for hang in self.hangs:
            hang.meet(results["img_id"])
        return super().transform(results)
