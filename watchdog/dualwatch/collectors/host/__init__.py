"""Readers of the host: memory, disk, limits, control groups, the kernel log."""
