"""Readers of the files that the agent writes."""
