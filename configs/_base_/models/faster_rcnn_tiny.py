# The demo's detector for a single modality: MMDetection's own Faster R-CNN, with the same parts.
_base_ = "./dual_faster_rcnn_tiny.py"

model = dict(
    _delete_=True,
    type="FasterRCNN",
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[25.0, 25.0, 25.0],
        std=[30.0, 30.0, 30.0],
        bgr_to_rgb=True,
        pad_size_divisor=16,
    ),
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    rpn_head=_base_.model.rpn_head,
    roi_head=_base_.model.roi_head,
    train_cfg=_base_.model.train_cfg,
    test_cfg=_base_.model.test_cfg,
)
