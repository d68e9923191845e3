"""dualwatch: supervises trainings, names why they hang, and applies the remedy."""

__version__ = "0.1.0"
