"""The agent's side of torch: loaders, their workers, batches, models, random numbers."""
