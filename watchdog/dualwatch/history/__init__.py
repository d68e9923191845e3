"""A run told after the fact: pure folds of what a journal or a log holds, one module a part."""
