# The demo's detector on the infrared images alone.
_base_ = "./visible_tiny_synthetic_2e.py"

model = dict(data_preprocessor=dict(mean=[80.0, 80.0, 80.0], std=[40.0, 40.0, 40.0]))

train_dataloader = dict(dataset=dict(dataset=dict(modality="infrared")))
val_dataloader = dict(dataset=dict(modality="infrared"))
test_dataloader = val_dataloader
