# The synthetic set, in LLVIP's layout. Make it with:
#   python -m dualmacl.synthetic data/synthetic-llvip --pairs 300 --seed 0
dataset_type = "LLVIPDataset"
data_root = "data/synthetic-llvip"

train_pipeline = [
    dict(type="LoadImagePair"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PairedRandomFlip", prob=0.5),
    dict(type="PackPairedInputs"),
]
test_pipeline = [
    dict(type="LoadImagePair"),
    # Does not change the size; the evaluation needs the scale factor that it notes down.
    dict(type="PairedResize", scale_factor=1.0),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackPairedInputs"),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="RepeatDataset",
        times=5,
        dataset=dict(
            type=dataset_type,
            data_root=data_root,
            split="train",
            return_modality_pair=True,
            on_missing_pair="error",
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split="test",
        return_modality_pair=True,
        on_missing_pair="error",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="VOCMetric", metric="mAP", iou_thrs=0.5, eval_mode="11points")
test_evaluator = val_evaluator
