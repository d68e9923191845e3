"""The detector and its parts; importing this registers them with MMDetection."""

from .data_preprocessor import DualDataPreprocessor, UnpairedBatchError
from .detector import DualModalityFasterRCNN
from .fusion import ModalityFusion
from .info_nce import NonFiniteEmbeddingError, info_nce
from .macl_head import MACLHead
from .tiny_backbone import TinyConvNet

__all__ = [
    "DualDataPreprocessor",
    "DualModalityFasterRCNN",
    "MACLHead",
    "ModalityFusion",
    "NonFiniteEmbeddingError",
    "TinyConvNet",
    "UnpairedBatchError",
    "info_nce",
]
