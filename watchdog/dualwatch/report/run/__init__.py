"""Views and subscribers of a run in progress, and its summary."""
