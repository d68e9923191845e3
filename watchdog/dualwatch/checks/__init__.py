"""The checklist: what a sound training shows, stage by stage. Pure; its limits are data."""
