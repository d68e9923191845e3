# Faster R-CNN, ResNet-50 and FPN, for pairs, with MACL.
_base_ = "./dual_faster_rcnn_r50_fpn.py"

model = dict(
    contrast_places=True,
    macl_head=dict(
        type="MACLHead",
        in_channels=256,
        roi_size=7,
        hidden_channels=256,
        embed_channels=128,
        min_candidates=8,
        temperature=0.07,
        loss_weight=0.5,
    ),
)
