# The demo: small enough for two CPU cores. Make the data first:
#   python -m dualmacl.synthetic data/synthetic-llvip --pairs 300 --seed 0
_base_ = [
    "../_base_/models/dual_faster_rcnn_tiny.py",
    "../_base_/datasets/synthetic_paired.py",
    "../_base_/schedules/adamw_2e_tiny.py",
    "../_base_/default_runtime.py",
]

model = dict(
    contrast_places=True,
    macl_head=dict(
        type="MACLHead",
        in_channels=48,
        roi_size=7,
        hidden_channels=128,
        embed_channels=64,
        min_candidates=8,
        temperature=0.07,
        loss_weight=0.7,
    ),
)

train_dataloader = dict(batch_size=4, num_workers=2, persistent_workers=True)
default_hooks = dict(logger=dict(type="LoggerHook", interval=10))
log_processor = dict(window_size=10)
randomness = dict(seed=0)
