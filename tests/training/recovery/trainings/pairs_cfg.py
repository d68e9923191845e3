# The demo, without random transforms and on a small set, so that two runs of it can be compared.
_base_ = "../../../../configs/demo/dualmacl_tiny_synthetic_2e.py"

custom_imports = dict(imports=["dualmacl", "hanging_pairs", "logbook"], allow_failed_imports=False)
custom_hooks = [dict(type="Logbook")]

train_pipeline = [
    dict(type="HangingPairLoader"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackPairedInputs"),
]
# Torch draws a seed from the main process's dice whenever it starts workers: as often as without
# workers only where they do not persist.
train_dataloader = dict(
    persistent_workers=False,
    batch_sampler=dict(type="AspectRatioBatchSampler"),
    dataset=dict(times=2, dataset=dict(pipeline=train_pipeline)),
)
val_dataloader = dict(persistent_workers=False)
