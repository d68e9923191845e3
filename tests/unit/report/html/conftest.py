"""Journals of scripted runs."""

from tests.support.run_script import run_of, script, three_attempts

__all__ = ["run_of", "script", "three_attempts"]
