"""A training without mmengine: a plain loop that prints. ``--hang-at N`` never ends step N."""

import argparse
import threading

parser = argparse.ArgumentParser()
parser.add_argument("config")
parser.add_argument("--work-dir")
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--hang-at", type=int)
arguments = parser.parse_args()

for step in range(arguments.steps):
    if step == arguments.hang_at:
        threading.Event().wait()
    print(f"step {step} loss {1 / (step + 1):.4f}")
