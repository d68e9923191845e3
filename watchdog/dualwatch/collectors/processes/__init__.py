"""Readers of the process tree, and of trainings and orphans on this machine."""
