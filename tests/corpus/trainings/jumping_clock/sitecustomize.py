"""A wall clock that is set forward by an hour some seconds after the start of each process."""

import time

_wall, _began = time.time, time.monotonic()


def _jumping() -> float:
    return _wall() + (3600.0 if time.monotonic() - _began > 4.0 else 0.0)


time.time = _jumping
