_base_ = "./counted_cfg.py"

launcher = "pytorch"
model_wrapper_cfg = dict(type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False)
