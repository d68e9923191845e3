"""A run told after the event: pure folds of what a journal or a log holds, one module a part."""
