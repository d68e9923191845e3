"""What the agent records of losses that are NaN or infinite, iteration by iteration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dualwatch import protocol
from dualwatch.agent.torch.non_finite import MOST_RECORDS, NonFiniteRecorder
from dualwatch.collectors.agent_files.non_finite import NonFiniteFiles

torch = pytest.importorskip("torch")
nn = torch.nn

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NonFiniteRecorder:
    monkeypatch.setenv(protocol.ENV_ATTEMPT_DIR, str(tmp_path))
    return NonFiniteRecorder(str(tmp_path), 0)


def read(folder: Path) -> Any:
    assert not (folder / "agent-error.txt").exists()
    found = NonFiniteFiles(folder).poll(1.0, 2.0)
    return found[0] if found else None


def test_nothing_is_written_while_all_is_finite(recorder, tmp_path):
    for iteration in range(1, 50):
        recorder.note(iteration, {"loss": torch.tensor(1.0), "acc": 0.5, "lr": "warm-up"})
    recorder.finish()
    assert read(tmp_path) is None


@pytest.mark.parametrize("bad", [NAN, INF, -INF], ids=str)
@pytest.mark.parametrize("as_tensor", [True, False])
def test_the_first_iteration_and_the_first_terms(recorder, tmp_path, bad, as_tensor):
    for iteration in range(1, 5):
        value = bad if iteration == 3 else 1.0
        values = {"loss": value, "loss_cls": value, "loss_bbox": 1.0}
        if as_tensor:
            values = {name: torch.tensor(one) for name, one in values.items()}
        recorder.note(iteration, values)
        seen = read(tmp_path)
        assert (seen is None) == (iteration < 3)
    assert [(one.name, one.value, one.first, one.times) for one in seen.terms] == [
        ("loss", str(bad), 3, 1),
        ("loss_cls", str(bad), 3, 1),
    ]
    assert (seen.iteration, seen.running) == (4, 0)


def test_modules_whose_weights_are_lost(recorder, tmp_path):
    model = nn.ModuleDict({"backbone": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    recorder.follow(model)
    recorder.note(1, {"loss": NAN})
    assert read(tmp_path).weights == ()
    recorder.note(2, {"loss": 1.0})
    with torch.no_grad():
        model["head"].weight[0, 1] = NAN
    recorder.note(3, {"loss": NAN})
    seen = read(tmp_path)
    assert (seen.weights_at, seen.weights) == (3, ("head",))


def test_weights_of_no_device_are_not_known(recorder, tmp_path):
    recorder.follow(nn.Linear(2, 2, device="meta"))
    recorder.note(1, {"loss": NAN})
    assert read(tmp_path).weights is None


def test_what_comes_and_goes_does_not_write_for_ever(recorder, tmp_path):
    times = set()
    for iteration in range(1, 4 * MOST_RECORDS):
        recorder.note(iteration, {"loss": NAN if iteration % 2 else 1.0})
        times.add(read(tmp_path).iteration)
    assert len(times) <= MOST_RECORDS


def test_values_of_a_kind_that_is_not_read(recorder, tmp_path):
    recorder.note(1, {"loss": torch.tensor([NAN, 1.0]), "count": torch.tensor(3), "name": None})
    recorder.note(2, {"loss": torch.tensor(NAN, device="meta")})
    assert read(tmp_path) is None


def test_the_batch_in_which_it_began(recorder, tmp_path):
    def batch(number: int, value: float = 1.0) -> dict[str, Any]:
        image = torch.full((2, 2), value)
        return {"inputs": [image, torch.ones(2, 2)], "img_path": [f"/data/train/{number}.jpg"]}

    recorder.note(1, {"loss": 1.0}, batch(1))
    recorder.note(2, {"loss": NAN}, batch(2, INF))
    recorder.note(3, {"loss": NAN}, batch(3))
    seen = read(tmp_path)
    assert seen.files == ("data/train/2.jpg",)
    assert seen.unsound == ("inputs[0]",)


def test_a_batch_of_another_kind_is_no_hindrance(recorder, tmp_path):
    recorder.note(1, {"loss": NAN}, object())
    seen = read(tmp_path)
    assert (seen.files, seen.unsound) == ((), ())
