# The demo with a fault: in the middle of the second epoch the two loader workers deadlock, each
# holding the lock that the other one waits for. Without workers it trains to the end.
_base_ = "./dualmacl_tiny_synthetic_2e.py"

# 375 iterations of 4 make 750 samples an epoch for each of the two workers.
train_pipeline = _base_.train_pipeline
train_pipeline[0] = dict(type="LockingPairLoader", after_samples=1125)

train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
