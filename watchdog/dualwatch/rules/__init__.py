"""The rules: from a snapshot and thresholds to findings. Pure."""
