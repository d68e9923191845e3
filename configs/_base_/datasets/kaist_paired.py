# KAIST in VOC layout: data_root holds JPEGImages, Annotations and ImageSets.
dataset_type = "KAISTPairedDataset"
data_root = "{{$KAIST_ROOT:data/kaist}}"
image_scale = (640, 512)

train_pipeline = [
    dict(type="LoadImagePair"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PairedResize", scale=image_scale, keep_ratio=True),
    dict(type="PairedRandomFlip", prob=0.5),
    dict(type="PackPairedInputs"),
]
test_pipeline = [
    dict(type="LoadImagePair"),
    dict(type="PairedResize", scale=image_scale, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackPairedInputs"),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="ImageSets/Main/train.txt",
        return_modality_pair=True,
        on_missing_pair="error",
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="ImageSets/Main/test.txt",
        return_modality_pair=True,
        on_missing_pair="error",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="VOCMetric", metric="mAP", iou_thrs=0.5, eval_mode="11points")
test_evaluator = val_evaluator
