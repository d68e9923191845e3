"""From events to verdicts: the snapshot (a fold over events) and the rules. Pure."""
