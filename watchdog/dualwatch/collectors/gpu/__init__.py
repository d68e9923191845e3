"""Readers of GPUs: NVML, nvidia-smi, who holds their memory."""
