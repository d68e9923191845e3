"""Configurations as text, together with the files that they build on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from dualwatch.core.unread import is_unread
from dualwatch.frameworks import config_read
from dualwatch.frameworks.mmengine.adapter import MMEngine
from dualwatch.frameworks.mmengine.config.inherit import read_file

SHIPPED = Path(__file__).resolve().parents[3] / "configs"


@pytest.fixture
def files(tmp_path):
    """Writes files below a folder and returns it."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def read(folder: Path, name: str = "own"):
    return read_file(folder / f"{name}.py")


def test_dictionaries_of_bases_are_merged(files) -> None:
    folder = files(
        model="model = dict(type='A', head=dict(a=1, b=2), neck=dict(c=3))",
        data="batch = 4\ntrain_dataloader = dict(batch_size=batch, num_workers=2)",
        own="_base_ = ['model.py', './data.py']\n"
        "model = dict(head=dict(b=5), neck=dict(_delete_=True, d=6))\n"
        "train_dataloader = dict(num_workers=0)",
    )
    found = read(folder)
    assert found.values == {
        "model": {"type": "A", "head": {"a": 1, "b": 5}, "neck": {"d": 6}},
        "batch": 4,
        "train_dataloader": {"batch_size": 4, "num_workers": 0},
    }
    assert found.not_followed == ()


def test_values_of_bases_can_be_named(files) -> None:
    folder = files(
        base="root = 'data/'\nloader = dict(dataset=dict(type='A'))\nold = 1",
        own="_base_ = 'base.py'\n"
        "copy = {{_base_.loader.dataset}}\n"
        "path = _base_.root + 'train'\n"
        "_base_.loader.dataset.type = 'B'\n"
        "del _base_.old",
    )
    assert read(folder).values == {
        "root": "data/",
        "loader": {"dataset": {"type": "B"}},
        "copy": {"type": "B"},
        "path": "data/train",
    }


def test_variables_of_the_file_and_of_the_environment(files, monkeypatch) -> None:
    monkeypatch.setenv("THE_ROOT", "/set")
    monkeypatch.delenv("NO_ROOT", raising=False)
    folder = files(
        own="a = '{{ fileDirname }}/x'\nb = '{{fileBasenameNoExtension}}'\n"
        "c = '{{$THE_ROOT:data}}/y'\nd = '{{$NO_ROOT:data}}/y'\ne = '{{ unknown }}'"
    )
    values = read(folder).values
    assert values["a"] == f"{folder}/x".replace("\\", "/")
    assert (values["b"], values["c"], values["d"]) == ("own", "/set/y", "data/y")
    assert is_unread(values["e"])


def test_read_base_binds_what_it_imports(files) -> None:
    folder = files(
        loop="train_cfg = dict(max_epochs=3)\nhidden = 1",
        data="train_dataloader = dict(num_workers=2, dataset=dict(type='A', root='x'))",
        own="from mmengine.config import read_base\n"
        "from somewhere.models import Detector\n"
        "import somewhere.losses as losses\n"
        "with read_base():\n"
        "    from .loop import train_cfg\n"
        "    from .data import *\n"
        "train_dataloader.update(num_workers=0)\n"
        "train_dataloader.dataset.merge(dict(root='y'))\n"
        "model = dict(type=Detector, loss=dict(type=losses.InfoNCE), n=Detector.n)",
    )
    spec = MMEngine().read(folder / "own.py")
    assert spec.goal.epochs == 3
    assert spec.workers() == 0
    assert spec.datasets[0].settings == {"type": "A", "root": "y"}
    assert "hidden" not in spec.sections
    assert {"somewhere.models.Detector", "somewhere.losses.InfoNCE"} <= set(spec.model_words)
    assert is_unread(spec.sections["model"]["n"])


@pytest.mark.parametrize(
    ("base", "why"),
    [
        ("'gone.py'", "gone.py: no such file"),
        ("['./a.py' './b.py']", "comma missing"),
        ("'nowhere_to_be_found::a/b.py'", "no package nowhere_to_be_found"),
        ("compute()", "computed"),
        ("'own.py'", "builds on itself"),
        ("'broken.py'", "SyntaxError"),
    ],
)
def test_what_is_not_followed_may_hold_anything(files, base, why) -> None:
    folder = files(broken="x = (", own=f"_base_ = {base}\ntrain_dataloader = dict(batch_size=4)")
    event = config_read.read(folder / "own.py", at=0.0, wall=0.0).event
    assert why in event.not_followed[0].why
    assert event.loaders["train_dataloader"] == {"batch_size": 4}
    for about in ("loaders", "data", "model", "start", "goal", "backends"):
        assert event.unknown(about)
    assert (event.paired, event.backends) == (None, None)


def test_a_base_that_is_found_and_a_module_that_is_not(files) -> None:
    folder = files(own="with read_base():\n    from nowhere_to_be_found.a import model\nx = 1")
    found = read(folder)
    assert found.values["x"] == 1
    assert is_unread(found.values["model"])
    assert "no package nowhere_to_be_found" in found.not_followed[0].why


def test_two_bases_with_the_same_name_are_refused(files) -> None:
    folder = files(a="x = 1", b="x = 2", own="_base_ = ['a.py', 'b.py']")
    assert [one.what for one in read(folder).not_followed] == ["x"]


@pytest.mark.parametrize(
    ("text", "unknown", "known"),
    [
        ("train_dataloader = dict(num_workers=f(), dataset=dict(type='A'))", "loaders", "data"),
        ("train_dataloader = dict(dataset=dict(data_root=f()))", "data", "loaders"),
        ("load_from = f()", "start", "model"),
        ("model = dict(type=f())", "model", "start"),
        ("train_cfg = dict(max_epochs=f())", "goal", "loaders"),
    ],
)
def test_a_computed_value_is_not_known_and_says_what_it_concerns(
    files, text, unknown, known
) -> None:
    event = config_read.read(files(own=text) / "own.py", at=0.0, wall=0.0).event
    assert event.unknown(unknown)
    assert event.unknown(known) is None


def test_a_part_over_a_computed_base_stays_a_part(files) -> None:
    folder = files(
        base="train_dataloader = f()", own="_base_ = 'base.py'\ntrain_dataloader = dict(a=1)"
    )
    event = config_read.read(folder / "own.py", at=0.0, wall=0.0).event
    assert event.loaders["train_dataloader"]["a"] == 1
    assert event.unknown("loaders")
    assert event.unknown("data")


def test_a_star_import_may_define_anything(files) -> None:
    folder = files(base="x = 1", own="_base_ = 'base.py'\nfrom somewhere import *\ny = 2")
    event = config_read.read(folder / "own.py", at=0.0, wall=0.0).event
    assert [one.what for one in event.not_followed] == ["import *"]
    assert event.unknown("loaders")


def test_another_name_for_a_changed_dictionary_changes_with_it(files) -> None:
    folder = files(own="model = dict(a=1)\nsame = model\nsame.setdefault(b=2)")
    assert is_unread(read(folder).values["model"])


@pytest.mark.parametrize("path", sorted(SHIPPED.rglob("*.py")), ids=lambda path: path.stem)
def test_the_configurations_that_ship_are_read_whole(path) -> None:
    assert read_file(path).not_followed == ()


def test_plan_c_is_known_from_its_text() -> None:
    path = SHIPPED / "llvip/stage2_2_planC_dualmodality_macl.py"
    event = config_read.read(path, at=0.0, wall=0.0, folder=Path(sys.prefix)).event
    assert event.loaders["train_dataloader"]["persistent_workers"] is True
    assert event.missing
    assert (event.paired, event.epochs, event.load_from) == (True, 6, "")
    assert "MACLHead" in event.model_words
