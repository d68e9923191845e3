"""What to do about a finding: the ladder of remedies, the edits, the budget. Pure."""
