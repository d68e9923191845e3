# The demo with a fault: in the middle of the second epoch the two loader workers deadlock, each
# holding the lock that the other one waits for. Without workers it trains to the end.
_base_ = "./dualmacl_tiny_synthetic_2e.py"

# Shorter than the demo without the fault: 225 iterations of 4, so each of the two workers reads 450
# samples an epoch.
train_pipeline = _base_.train_pipeline
train_pipeline[0] = dict(type="LockingPairLoader", after_samples=675)

train_dataloader = dict(dataset=dict(times=3, dataset=dict(pipeline=train_pipeline)))
