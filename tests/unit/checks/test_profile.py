"""Profiles are data: all that is wrong is said at once, with the nearest valid name."""

from __future__ import annotations

import pytest
from dualwatch.checks import profile, profiles
from dualwatch.core.errors import DualwatchError
from dualwatch.domains.base import Range


def problems(table):
    return profile.build(table, "here", profiles.load("macl"))[1]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"itms": {}}, "unknown key 'itms'; did you mean 'items'?"),
        ({"items": {"disk": {"wran": "1GiB"}}}, "unknown key 'wran'; did you mean 'warn'?"),
        ({"items": {"disk": {"warn": "much"}}}, "warn = 'much'"),
        ({"items": {"new": {"probe": "dsk"}}}, "unknown probe 'dsk'; did you mean 'disk'?"),
        ({"items": {"new": {"title": "x"}}}, "needs a probe"),
        ({"items": {"new": {"probe": "disk", "stage": "startup"}}}, "needs 'fail'"),
        ({"items": {"new": {"probe": "stacks", "stage": "soon"}}}, "stage must be one of"),
        ({"items": {"disk": {"code": "DW999"}}}, "no code DW999"),
        ({"items": {"disk": {"needs": ["first-lin"]}}}, "did you mean 'first-line'?"),
        ({"items": {"Disk!": {}}}, "lower-case letters"),
        ({"items": {"disk": 5}}, "items.disk must be a table"),
        ({"without": ["dsk"]}, "did you mean 'disk'?"),
        ({"milestones": [{"epoch": 0, "metric": "mAP"}]}, "from 1"),
        ({"milestones": [{"epoch": 1, "metric": "mAP"}]}, "needs a limit"),
        ({"milestones": [{"epoch": 1, "metric": "m", "fail-below": "x"}]}, "must be numbers"),
        ({"milestones": [{"epoch": 1, "metric": "m", "fail-bellow": 1}]}, "did you mean"),
        ({"when": {"mention": "x"}}, "did you mean 'mentions'?"),
    ],
)
def test_what_is_wrong_is_said(table, words):
    told = problems(table)
    assert all(text.startswith("here: ") for text in told)
    assert any(words in text for text in told), told


def test_everything_wrong_is_said_at_once():
    table = {"itms": {}, "items": {"disk": {"warn": "x"}, "a": {"probe": "?"}}, "without": ["b"]}
    assert len(problems(table)) == 4


def test_an_item_is_changed_and_keeps_the_rest():
    table = {"items": {"first-line": {"passes": "10m"}}, "without": ["loss-cls", "loss-cls-at-50"]}
    found, told = profile.build(table, "here", profiles.load("macl"))
    assert told == []
    by_id = {item.id: item for item in found.all_items}
    assert by_id["first-line"].limits == {"passes": 600.0, "fails": 300.0}
    assert by_id["first-line"].title == "a training line comes within 2 minutes"
    assert "loss-cls" not in by_id


def test_the_ranges_of_metrics_follow_the_items():
    shipped = profiles.load("macl")
    assert shipped.ranges == {
        "loss_macl": Range(high=1.0),
        "grad_norm": Range(high=20.0, after=50),
    }
    table = {"items": {"grad-norm": {"fail-above": 30.0, "after": 80}}}
    changed, _ = profile.build(table, "here", shipped)
    assert changed.ranges["grad_norm"] == Range(high=30.0, after=80)
    assert profiles.load("neutral").ranges == {}


def test_milestones_replace_those_of_the_base():
    table = {"milestones": [{"epoch": 4, "metric": "coco/bbox_mAP", "warn_below": 0.3}]}
    found, told = profile.build(table, "here", profiles.load("macl"))
    assert told == []
    ids = [item.id for item in found.all_items if item.probe == "milestone"]
    assert ids == ["epoch-4-bbox-map"]


@pytest.mark.parametrize(
    ("config", "words", "name"),
    [
        ("llvip.py", ("MACLHead",), "macl"),
        ("dualmacl_tiny_synthetic_2e_deadlock.py", ("MACLHead",), "macl-demo-deadlock"),
        ("dualmacl_tiny_synthetic_2e.py", ("MACLHead",), "macl-demo"),
        ("faster_rcnn.py", ("FasterRCNN", "loss"), "neutral"),
        ("x.log", ("loss_macl",), "macl"),
        ("", (), "neutral"),
    ],
)
def test_a_training_gets_the_profile_that_fits(config, words, name):
    assert profiles.choose({}, "default", config=config, words=words).profile.name == name


def test_a_file_extends_one_of_ours(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('extends = "macl"\n[items.disk]\nwarn = "1TiB"\n', encoding="utf-8")
    found = profiles.load(str(path))
    (disk,) = (item for item in found.items if item.id == "disk")
    assert disk.limits["warn"] == 1024**4
    assert len(found.milestones) == len(profiles.load("macl").milestones)


def test_files_that_extend_each_other_are_refused(tmp_path):
    (tmp_path / "a.toml").write_text('extends = "b.toml"\n', encoding="utf-8")
    (tmp_path / "b.toml").write_text('extends = "a.toml"\n', encoding="utf-8")
    with pytest.raises(DualwatchError, match="extends itself"):
        profiles.load(str(tmp_path / "a.toml"))


@pytest.mark.parametrize("text", [None, "items = [", "\xff"])
def test_a_file_that_cannot_be_read(tmp_path, text):
    path = tmp_path / "own.toml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DualwatchError) as caught:
        profiles.load(str(path))
    assert caught.value.do
