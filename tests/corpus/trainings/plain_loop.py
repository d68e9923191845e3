"""A training without mmengine: a plain loop that prints lines as mmcv 1.x did."""

import argparse
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--work-dir")
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--hang-at", type=int)
arguments = parser.parse_args()

for step in range(1, arguments.steps + 1):
    if step == arguments.hang_at:
        threading.Event().wait()
    time.sleep(0.1)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    print(
        f"{stamp},000 - mmdet - INFO - Epoch [1][{step}/{arguments.steps}]\tlr: 1.000e-02, "
        f"eta: 0:00:01, time: 0.100, data_time: 0.001, memory: 10, loss: {1 / step:.4f}"
    )
