"""Configurations of mmengine: found, loaded, read as text, edited."""
