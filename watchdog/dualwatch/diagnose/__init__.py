"""The journey of a supervised run, made once for any training: look, fold, judge, tell.

``diagnose`` stands on it. The target may be alive or dead, ours or not: the same facts are gathered
from its processes, logs and files, and the same judges read them.
"""
