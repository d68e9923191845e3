"""The support bundle: its files, what is taken out of them, its page."""
