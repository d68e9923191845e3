"""Rules about trainings that ended, and about resources that run short."""
