"""Everything that changes the system: launching, stopping, locks, notifications."""
