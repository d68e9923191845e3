"""What the agent knows of accelerate, whose scripts are followed as loops of their own."""
