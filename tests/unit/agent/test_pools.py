"""Pools of processes that are replaced by work in this process; each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

HEAD = """
import multiprocessing, os
from multiprocessing import Pool
from multiprocessing.pool import ThreadPool
from dualwatch.agent import pools

def where(value):
    return os.getpid()
"""

REPLACED = """
pools.use_none()
with Pool(4) as one:
    assert set(one.map(where, range(9))) == {os.getpid()}
    assert one.starmap(max, [(1, 2), (4, 3)]) == [2, 4]
    assert list(one.imap(str, [1, 2])) == ["1", "2"]
other = multiprocessing.get_context("spawn").Pool(processes=3)
assert other.apply(where, (1,)) == os.getpid()
other.close()
other.join()
with ThreadPool(2) as threads:
    assert threads.map(str, [1]) == ["1"]
"""

AGAIN = """
import time
calls = []

def compute(results):
    calls.append(results)
    pool = Pool(2)
    if len(calls) == 1:
        raise pools.ReplacePool
    return pool.map(where, results)

before = time.monotonic()
assert pools.guarded(compute)([1, 2]) == [os.getpid()] * 2
assert calls == [[1, 2], [1, 2]]
"""

WAITED_FOR = """
import sys
seen = []

def watches():
    seen.append(pools.is_waited_for(sys._getframe()))
    yield 1

def compute():
    with ThreadPool(1) as pool:
        return pool.map(str, watches())

pools.guarded(compute)()
compute()
assert seen == [True, False], seen
"""


def ran(body: str) -> None:
    words = [sys.executable, "-c", HEAD + body]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_every_pool_of_processes_works_in_this_process():
    ran(REPLACED)


def test_a_computation_begins_anew_without_its_pool():
    ran(AGAIN)


def test_a_pool_counts_inside_a_guarded_computation_only():
    ran(WAITED_FOR)
