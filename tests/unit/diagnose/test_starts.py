"""Several starts in a log and in a work dir, as both commands report them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dualwatch.core.errors import Exit
from dualwatch.core.policies import CheckPolicy
from dualwatch.core.settings import resolve
from dualwatch.diagnose import check, diagnose_command
from dualwatch.diagnose.check import Checked, Wanted
from dualwatch.diagnose.diagnose_command import DiagnoseResult
from dualwatch.protocol import Phase
from dualwatch.rules.starts import StartEnd

OOM = """\
Traceback (most recent call last):
  File "tools/train.py", line 120, in <module>
    runner.train()
RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB
"""


def begun(hour: int, epochs: int = 2) -> str:
    at = f"2024/03/04 {hour:02d}:00:0"
    return (
        f"{at}0 - mmengine - INFO - \n{'-' * 60}\nSystem environment:\n    sys.platform: linux\n\n"
        f"{at}1 - mmengine - INFO - Config:\ntrain_cfg = dict(max_epochs={epochs})\n\n"
        f"{at}8 - mmengine - INFO - Checkpoints will be saved to /w/{hour}.\n"
    )


def epochs(hour: int, *numbers: int) -> str:
    text = ""
    for number in numbers:
        at = f"2024/03/04 {hour:02d}:{number:02d}:"
        text += (
            f"{at}10 - mmengine - INFO - Epoch(train) [{number}][50/50]  lr: 1e-2  loss: 0.5\n"
            f"{at}11 - mmengine - INFO - Saving checkpoint at {number} epochs\n"
            f"{at}40 - mmengine - INFO - Epoch(val) [{number}][9/9]    coco/bbox_mAP: 0.3{number}\n"
        )
    return text


def policy() -> CheckPolicy:
    return resolve({}).check_policy()


def diagnosed(path: Path) -> DiagnoseResult:
    return diagnose_command.diagnose(path, None, policy(), output=None, bundle=False, redact=False)


def checked(path: Path) -> Checked:
    return check.check(check.resolve(path), policy(), Wanted())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "console.txt"


def test_a_finished_training_is_none_of_the_silent_start_behind_it(log: Path) -> None:
    log.write_text(begun(10) + epochs(10, 1, 2) + begun(12))
    found = diagnosed(log)
    assert found.code is Exit.NOT_OBSERVED
    assert found.document.status.epoch is None
    assert [start.end for start in found.document.earlier] == [StartEnd.FINISHED]
    items = {result.item.id: result.status.value for result in checked(log).results}
    assert items["first-line"] != "pass"
    assert items["alive"] != "pass"


def test_a_crash_is_that_of_the_start_that_crashed(log: Path) -> None:
    log.write_text(begun(10) + epochs(10, 1) + OOM + begun(12))
    found = diagnosed(log)
    assert found.code is Exit.NOT_OBSERVED
    assert found.document.causes == []
    (before,) = found.document.earlier
    assert (before.end, before.code) == (StartEnd.FAILED, "DW401")
    assert before in check.document(checked(log)).target.earlier


def test_a_resume_with_a_larger_goal(log: Path) -> None:
    resumed = begun(12, 4).replace(
        "2024/03/04 12:00:08", "2024/03/04 12:00:07 - mmengine - INFO - resumed epoch: 2\n"
        "2024/03/04 12:00:08",
    )  # fmt: skip
    log.write_text(begun(10) + epochs(10, 1, 2) + resumed + epochs(12, 3))
    assert diagnosed(log).code is Exit.NOT_OBSERVED
    log.write_text(begun(10) + epochs(10, 1, 2) + resumed + epochs(12, 3, 4))
    assert diagnosed(log).document.phase == Phase.FINISHED


def test_what_all_starts_of_a_folder_have_in_common(tmp_path: Path) -> None:
    for hour in (10, 11, 12):
        (tmp_path / f"20240304_{hour}0000.log").write_text(begun(hour))
    found = diagnosed(tmp_path).document
    assert found.log_path == str(tmp_path / "20240304_120000.log")
    assert [start.log for start in found.earlier] == ["20240304_100000.log", "20240304_110000.log"]
    assert found.in_common


def test_the_goal_is_that_of_the_runs_own_dump(tmp_path: Path) -> None:
    folder = tmp_path / "20240304_100000"
    folder.mkdir()
    (folder / "20240304_100000.log").write_text(begun(10) + epochs(10, 1))
    (tmp_path / "a.py").write_text("train_cfg = dict(max_epochs=1)\n")
    assert diagnosed(tmp_path).code is Exit.NOT_OBSERVED
