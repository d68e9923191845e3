"""What every room may use: errors, clock, settings, text. Each thing once."""
