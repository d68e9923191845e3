"""Rules about how a training ended."""
