"""As ``train.py``, for several ranks that train one model on CPUs: usage under ``torchrun``.

mmengine's own start asks CUDA for a device, so the group is made before it.
"""

import os
import sys

import torch
import train

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
torch.distributed.init_process_group("gloo")
if "--launcher" in sys.argv:
    at = sys.argv.index("--launcher")
    del sys.argv[at : at + 2]
train.main()
torch.distributed.destroy_process_group()
