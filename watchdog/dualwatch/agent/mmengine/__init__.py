"""The agent's side of mmengine: what it does to and learns from a Runner."""
