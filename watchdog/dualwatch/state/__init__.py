"""The snapshot: all that is known of one attempt, one fold of its events."""
