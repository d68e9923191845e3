"""dualwatch: watches trainings, says why they hang, and cures them."""

__version__ = "0.1.0"
