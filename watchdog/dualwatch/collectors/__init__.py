"""The only readers of the world: files, processes, stacks, devices."""
