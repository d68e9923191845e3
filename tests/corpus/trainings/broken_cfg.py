# ruff: noqa: C408, F821
_base_ = "./tiny_cfg.py"

model = dict(type=MODEL_OF_THE_DAY)
