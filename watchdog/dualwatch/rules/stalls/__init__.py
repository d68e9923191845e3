"""Rules about silence."""
