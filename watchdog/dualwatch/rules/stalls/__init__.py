"""Rules about trainings without progress."""
