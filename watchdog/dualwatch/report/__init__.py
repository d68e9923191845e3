"""One renderer a file; no judgement here."""
