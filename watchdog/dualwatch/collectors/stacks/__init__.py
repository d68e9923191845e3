"""Readers of stacks: py-spy, the agent, /proc."""
