"""The agent's adapter for PyTorch Lightning."""
