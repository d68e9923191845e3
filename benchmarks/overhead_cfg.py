# The tests' tiny training with a model that computes instead of waiting.
_base_ = "../tests/trainings/tiny_cfg.py"
custom_imports = {"imports": ["matmul_model"]}
model = {"_delete_": True, "type": "MatmulModel"}
