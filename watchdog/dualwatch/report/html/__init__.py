"""The HTML page of a run: one file, no script, nothing from elsewhere. One module a part of it."""
