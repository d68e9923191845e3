"""Text to events, pure: no I/O, no clock of its own, and never an exception on any input."""
