"""Loops that no training framework runs."""
