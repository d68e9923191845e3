# ruff: noqa: C408
# Samples that mmengine's own BaseDataset lists and sends through a pipeline.
_base_ = "./tiny_cfg.py"

pipeline = [dict(type="ToPair")]
train_dataloader = dict(dataset=dict(_delete_=True, type="ListedNumbers", pipeline=pipeline))
