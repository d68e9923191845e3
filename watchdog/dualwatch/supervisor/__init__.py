"""Looks after a run: starts, monitors, decides, reruns."""
