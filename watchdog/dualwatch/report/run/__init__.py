"""What is shown and sent while a run goes on, and its summary."""
