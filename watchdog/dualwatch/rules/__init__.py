"""From facts to verdicts: the snapshot (a fold over facts) and the rules. Pure."""
