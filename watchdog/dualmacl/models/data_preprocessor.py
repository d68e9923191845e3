"""Normalises and pads the two images of every pair of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS
from mmengine.model import ImgDataPreprocessor

from ..datasets.pairing import MODALITIES


class UnpairedBatchError(ValueError):
    """A batch does not hold both images of every sample."""


@MODELS.register_module()
class DualDataPreprocessor(DetDataPreprocessor):
    """``DetDataPreprocessor`` for pairs.

    Args:
        mean: Mean of the visible image's channels (R, G, B with ``bgr_to_rgb``), 0..255.
        std: Their standard deviation.
        infrared_mean: The same for the infrared image. Heat has statistics of its own: a night
            scene is dark in the visible image and temperate in the infrared one.
        infrared_std: See ``infrared_mean``.
        pad_size_divisor: Height and width are padded to a multiple of this, in both images.
        pad_value: Value of the padded pixels, after normalisation.
        kwargs: See ``DetDataPreprocessor``. ``batch_augments`` is refused: it would see the
            visible images only.
    """

    def __init__(
        self,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        infrared_mean: Sequence[float],
        infrared_std: Sequence[float],
        pad_size_divisor: int = 1,
        pad_value: float = 0,
        **kwargs,
    ) -> None:
        if kwargs.get("batch_augments"):
            raise ValueError("batch_augments would change the visible images only: not supported")
        super().__init__(
            mean=mean, std=std, pad_size_divisor=pad_size_divisor, pad_value=pad_value, **kwargs
        )
        self.infrared = ImgDataPreprocessor(
            mean=infrared_mean,
            std=infrared_std,
            pad_size_divisor=pad_size_divisor,
            pad_value=pad_value,
            non_blocking=self._non_blocking,
        )

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalises, pads and stacks.

        Args:
            data: ``inputs``: ``{"visible": [...], "infrared": [...]}``, each a list of tensors
                (3, H, W) or one tensor (N, 3, H, W); ``data_samples``: list of N samples.
            training: Whether this is for training.

        Returns:
            ``inputs``: ``{"visible": (N, 3, H', W'), "infrared": (N, 3, H', W')}``, and
            ``data_samples``.

        Raises:
            UnpairedBatchError: If the batch does not hold two images of one size for each sample.
        """
        inputs, samples = data["inputs"], data.get("data_samples")
        check_paired(inputs, samples)
        packed = super().forward({"inputs": inputs["visible"], "data_samples": samples}, training)
        # `Module.to` moves our buffers and the child's, but tells the device to us alone.
        self.infrared._device = self._device
        infrared = self.infrared({"inputs": inputs["infrared"]}, training)
        packed["inputs"] = {"visible": packed["inputs"], "infrared": infrared["inputs"]}
        return packed


def check_paired(inputs: object, samples: Sequence | None) -> None:
    """Makes sure that a batch holds both images of every sample.

    Raises:
        UnpairedBatchError: If not; the message tells what there is instead, and what to do.
    """
    remedy = (
        "Use a data set with return_modality_pair=True, and LoadImagePair ... PackPairedInputs in "
        "its pipeline."
    )
    if not isinstance(inputs, Mapping):
        raise UnpairedBatchError(
            f"the batch is not paired: 'inputs' is a {type(inputs).__name__} of one modality, not "
            f"{{'visible': ..., 'infrared': ...}}. {remedy}"
        )
    counts = {name: len(inputs[name]) for name in MODALITIES if inputs.get(name) is not None}
    for name in MODALITIES:
        if not counts.get(name):
            raise UnpairedBatchError(
                f"the batch is not paired: it holds no {name} image (it holds {counts}). {remedy}"
            )
    wanted = {*counts.values()} | ({len(samples)} if samples is not None else set())
    if len(wanted) > 1:
        total = "unknown" if samples is None else len(samples)
        raise UnpairedBatchError(
            f"the batch is not paired: {counts['visible']} visible and {counts['infrared']} "
            f"infrared images for {total} samples. {remedy}"
        )
    for number, (visible, infrared) in enumerate(
        zip(*(inputs[m] for m in MODALITIES), strict=True)
    ):
        if visible.shape[-2:] != infrared.shape[-2:]:
            raise UnpairedBatchError(
                f"sample {number} of the batch: the visible image is {tuple(visible.shape)}, the "
                f"infrared one {tuple(infrared.shape)}: they were not transformed together. "
                f"{remedy}"
            )
