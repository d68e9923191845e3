"""Faster R-CNN on visible + infrared pairs."""

from __future__ import annotations

import copy

import torch
from mmdet.models.detectors import TwoStageDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi
from torch import Tensor

Features = tuple[Tensor, ...]


@MODELS.register_module()
class DualModalityFasterRCNN(TwoStageDetector):
    """Two images in, one set of boxes out.

    Each image goes through a backbone and the (shared) neck; the two feature pyramids are fused
    level by level, after the neck; RPN and RoI head work on the fused features. With a
    ``macl_head``, training also cuts the annotated persons out of the two pyramids *before* the
    fusion, and contrasts them.

    Args:
        backbone: The visible image's backbone.
        neck: Feature pyramid; one for both, so that their RoI features can be compared.
        fusion: See ``ModalityFusion``.
        rpn_head: As in Faster R-CNN.
        roi_head: As in Faster R-CNN; its RoI extractor serves the contrastive loss, too.
        share_backbone: True: one backbone for both modalities. False: the infrared image has a
            backbone of its own, ``backbone_infrared``, of the same make.
        macl_head: See ``MACLHead``; None for a training without contrastive loss.
        contrast_places: True: a person's negatives are also what the other images of the batch show
            at the very place of the person. Place and size of the box are the same in both
            modalities, so a network can find the partner by them alone, in whatever image; with
            these negatives they tell nothing, and wrong pairs can at most be learnt by heart. It
            takes two images in a batch at least.
        train_cfg: As in Faster R-CNN.
        test_cfg: As in Faster R-CNN.
        data_preprocessor: A ``DualDataPreprocessor``.
        init_cfg: See ``BaseModule``.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        fusion: dict,
        rpn_head: dict,
        roi_head: dict,
        share_backbone: bool = False,
        macl_head: dict | None = None,
        contrast_places: bool = False,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        second = None if share_backbone else copy.deepcopy(backbone)
        super().__init__(
            backbone=backbone,
            neck=neck,
            rpn_head=rpn_head,
            roi_head=roi_head,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.backbone_infrared = None if second is None else MODELS.build(second)
        self.fusion = MODELS.build(fusion)
        self.macl_head = None if macl_head is None else MODELS.build(macl_head)
        self.contrast_places = contrast_places

    def extract_pair(self, inputs: dict[str, Tensor]) -> tuple[Features, Features]:
        """Feature pyramids of both modalities, before the fusion.

        Args:
            inputs: ``visible`` and ``infrared``, each (N, 3, H, W).

        Returns:
            (visible, infrared), each a tuple of levels (N, C, H_l, W_l).
        """
        second = self.backbone if self.backbone_infrared is None else self.backbone_infrared
        return self.neck(self.backbone(inputs["visible"])), self.neck(second(inputs["infrared"]))

    def extract_feat(self, inputs: dict[str, Tensor]) -> Features:
        """Fused feature pyramid of a batch of pairs; inference works on it as in Faster R-CNN."""
        return self.fusion(*self.extract_pair(inputs))

    def loss(self, inputs: dict[str, Tensor], batch_data_samples: SampleList) -> dict:
        """Losses of RPN, RoI head and, if there is one, the contrastive head.

        Args:
            inputs: ``visible`` and ``infrared``, each (N, 3, H, W).
            batch_data_samples: The N annotated samples.
        """
        visible, infrared = self.extract_pair(inputs)
        losses = self._detection_loss(self.fusion(visible, infrared), batch_data_samples)
        if self.macl_head is not None:
            losses.update(self._contrastive_loss(visible, infrared, batch_data_samples))
        return losses

    def _detection_loss(self, fused: Features, samples: SampleList) -> dict:
        # The RPN knows one class only: object.
        objects = copy.deepcopy(samples)
        for sample in objects:
            sample.gt_instances.labels = torch.zeros_like(sample.gt_instances.labels)
        proposal_cfg = self.train_cfg.get("rpn_proposal", self.test_cfg.rpn)
        losses, proposals = self.rpn_head.loss_and_predict(
            fused, objects, proposal_cfg=proposal_cfg
        )
        losses = {key if "rpn" in key else f"rpn_{key}": value for key, value in losses.items()}
        losses.update(self.roi_head.loss(fused, proposals, samples))
        return losses

    def _contrastive_loss(
        self, visible: Features, infrared: Features, samples: SampleList
    ) -> dict[str, Tensor]:
        extractor = self.roi_head.bbox_roi_extractor
        persons = bbox2roi([sample.gt_instances.bboxes for sample in samples])
        levels = slice(extractor.num_inputs)
        views = tuple(extractor(pyramid[levels], persons) for pyramid in (visible, infrared))
        if not self.contrast_places or len(samples) < 2 or not len(persons):
            return self.macl_head(*views)
        elsewhere = []
        for pyramid in (visible, infrared):
            others = []
            for step in range(1, len(samples)):
                moved = persons.clone()
                moved[:, 0] = (moved[:, 0] + step) % len(samples)
                others.append(extractor(pyramid[levels], moved))
            elsewhere.append(torch.stack(others, dim=1))
        return self.macl_head(*views, elsewhere=tuple(elsewhere))
