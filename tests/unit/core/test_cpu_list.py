"""Lists of CPUs as the kernel writes them."""

from __future__ import annotations

import pytest
from dualwatch.core import cpu_list


@pytest.mark.parametrize(
    ("cpus", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 8), "0-2,8"), (range(64), "0-63")]
)
def test_there_and_back(cpus, text) -> None:
    assert cpu_list.of(cpus) == text
    assert cpu_list.parsed(text) == set(cpus)
