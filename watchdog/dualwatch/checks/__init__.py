"""The checklist, stage by stage: runner, checks and profiles. Pure; limits are data."""
