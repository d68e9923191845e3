# A Faster R-CNN for pairs that learns from scratch, in minutes, on two CPU cores.
num_levels = 3
channels = 48

model = dict(
    type="DualModalityFasterRCNN",
    share_backbone=False,
    data_preprocessor=dict(
        type="DualDataPreprocessor",
        mean=[25.0, 25.0, 25.0],
        std=[30.0, 30.0, 30.0],
        bgr_to_rgb=True,
        infrared_mean=[80.0, 80.0, 80.0],
        infrared_std=[40.0, 40.0, 40.0],
        pad_size_divisor=16,
    ),
    backbone=dict(type="TinyConvNet", stem_channels=16, channels=(32, 48, 64)),
    neck=dict(type="FPN", in_channels=[32, 48, 64], out_channels=channels, num_outs=num_levels),
    fusion=dict(type="ModalityFusion", channels=channels, num_levels=num_levels),
    rpn_head=dict(
        type="RPNHead",
        in_channels=channels,
        feat_channels=channels,
        anchor_generator=dict(
            type="AnchorGenerator",
            # Persons of 16 to 90 pixels, about 2.5 times as high as wide.
            scales=[2.5, 3.5],
            ratios=[2.5],
            strides=[4, 8, 16],
        ),
        bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
        loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=0.35),
        loss_bbox=dict(type="L1Loss", loss_weight=0.35),
    ),
    roi_head=dict(
        type="StandardRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=1),
            out_channels=channels,
            featmap_strides=[4, 8, 16],
            finest_scale=16,
        ),
        bbox_head=dict(
            type="Shared2FCBBoxHead",
            in_channels=channels,
            fc_out_channels=128,
            roi_feat_size=7,
            num_classes=1,
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            reg_class_agnostic=False,
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=0.35),
            loss_bbox=dict(type="L1Loss", loss_weight=0.35),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.6,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=0.5,
            ),
            sampler=dict(
                type="RandomSampler",
                num=128,
                pos_fraction=0.5,
                neg_pos_ub=-1,
                add_gt_as_proposals=False,
            ),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(
            nms_pre=200, max_per_img=50, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0
        ),
        rcnn=dict(
            assigner=dict(
                type="MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=0.5,
            ),
            sampler=dict(
                type="RandomSampler",
                num=32,
                pos_fraction=0.25,
                neg_pos_ub=-1,
                add_gt_as_proposals=True,
            ),
            pos_weight=-1,
            debug=False,
        ),
    ),
    test_cfg=dict(
        rpn=dict(
            nms_pre=200, max_per_img=50, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0
        ),
        rcnn=dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5), max_per_img=50),
    ),
)
