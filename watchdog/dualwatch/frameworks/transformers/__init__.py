"""The Trainer of Hugging Face transformers: what it leaves beside its checkpoints."""
