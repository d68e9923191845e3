"""What an examination reads of files."""

from __future__ import annotations

import json

from dualwatch.diagnose import records
from dualwatch.events import EvaluationLogged, IterationLogged


def test_of_many_rows_the_newest_and_all_evaluations_are_kept(tmp_path):
    rows = [json.dumps({"loss": 1.0, "epoch": 1, "iter": n, "step": n}) for n in range(1, 9)]
    rows.insert(2, '{"tiny/error": 0.5, "step": 1}')
    (tmp_path / "scalars.json").write_text("\n".join(rows) + "\n")
    kept = records.read_rows(tmp_path / "scalars.json", newest=3)
    assert [f.iteration for f in kept if isinstance(f, IterationLogged)][-3:] == [6, 7, 8]
    assert sum(isinstance(f, EvaluationLogged) for f in kept) == 1
