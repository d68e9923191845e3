# ruff: noqa: C408
_base_ = "./tiny_cfg.py"

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ListedNumbers",
        data_root="data/that/is/not/there",
        ann_file="annotations.json",
    )
)
