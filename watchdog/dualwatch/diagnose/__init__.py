"""Looks at one training, once: collect, fold, apply the rules, report.

Used by ``diagnose``, ``check`` and ``report``. The target may be running or ended, supervised by
dualwatch or not: the same events come from its processes, logs and files, and the same rules read
them.
"""
