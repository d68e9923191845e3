"""Rules about metrics."""
