"""The agent's adapter for the Trainer of Hugging Face transformers."""
