"""Random faults over small trainings; see ``__main__``."""
