"""The history of a run: one fold over its events, and views that are filled in the same pass.

``run`` is the fold: attempts with their snapshots, findings, remedies tried. The supervisor,
``attach``, ``diagnose``, ``check`` and ``report`` all use it. ``timeline``, ``metrics_table``,
``memory`` and ``training_record`` are views: a command that needs one hands it to the fold.
``sources`` reads the events of a journal or a log.
"""
