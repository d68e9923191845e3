# The demo with a fault: every visible image gets the infrared image of another scene. Nothing
# raises; loss_macl stays above 0.4 in the first epoch.
_base_ = "./dualmacl_tiny_synthetic_2e.py"

train_dataloader = dict(dataset=dict(dataset=dict(type="ShuffledLLVIPDataset")))
