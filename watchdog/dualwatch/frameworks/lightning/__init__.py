"""PyTorch Lightning, in either of its two packages."""
