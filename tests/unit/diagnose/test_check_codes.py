"""The exit code of ``check`` where an item only warns of what ``diagnose`` names as a cause."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.checks.item import RunLife
from dualwatch.collectors.target import Target
from dualwatch.core.errors import Exit
from dualwatch.core.settings import resolve
from dualwatch.diagnose import check
from dualwatch.diagnose.check_record import CheckRecord
from dualwatch.events import ConfigRead
from dualwatch.history.training_record import TrainingRecord
from dualwatch.report.terminal import checklist
from dualwatch.state.snapshot import Snapshot

LINE = (
    "2024/03/04 10:{:02}:00 - mmengine - INFO - Epoch(train)  [1][{:>3}/600]  lr: 1.0000e-02  "
    "eta: 0:10:00  time: 0.5000  data_time: 0.0100  memory: 3187  loss: {}"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Single lines of NaN, which leave the weights sound: a warning."""
    lines = [LINE.format(n, 10 * n, "nan" if n in (20, 31) else 0.7) for n in range(1, 60)]
    path = tmp_path / "train.log"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (check.Wanted(), Exit.WRONG),
        (check.Wanted(select=("finite",)), Exit.WRONG),
        (check.Wanted(select=("first-line",)), Exit.OK),
        (check.Wanted(ignore={"finite": "known"}), Exit.OK),
    ],
    ids=["all", "selected", "another one selected", "ignored"],
)
def test_a_cause_of_which_an_item_warns(log: Path, wanted: check.Wanted, code: Exit) -> None:
    checked = check.check(check.resolve(log), resolve({}).check_policy(), wanted)
    assert checked.code is code
    document = check.document(checked)
    assert bool(document.causes) is (code is Exit.WRONG)
    text = "\n".join(checklist.lines(document, width=100))
    assert ("DW203 non-finite-loss" in text) is (code is Exit.WRONG)


@pytest.mark.parametrize(
    ("built", "code"), [(("model",), Exit.OK), ((), Exit.NOT_OBSERVED)], ids=["tried", "cut off"]
)
def test_a_configuration_whose_trial_did_not_end_is_not_cleared(
    built: tuple[str, ...], code: Exit
) -> None:
    config = ConfigRead(
        at=0.0,
        wall=0.0,
        path="a.py",
        how="loaded",
        loaders={"train_dataloader": {"batch_size": 2}},
        whole=True,
        built=built,
        not_built={} if built else {"all": "it did not end within 120 s"},
    )
    record = CheckRecord(
        s=Snapshot(config=config), course=TrainingRecord(), life=RunLife.PLANNED, finished=False
    )
    choice, results = check.judged(record, resolve({}).check_policy(), check.Wanted())
    checked = check.Checked(
        target=Target(kind="config"),
        life=RunLife.PLANNED,
        sentence="",
        choice=choice,
        results=tuple(results),
        not_observed={},
    )
    assert checked.code is code
