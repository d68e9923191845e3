"""The agent's adapter for loops that no training framework runs."""
