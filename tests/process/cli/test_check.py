"""``dualwatch check`` as its user meets it: a log, a work dir, a configuration; every form."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.strangers.consoles.mmengine import Mmengine

ITEM = {"id", "stage", "title", "status", "expected", "observed", "remedy", "code"}
LOSSES = "loss: 0.6 loss_cls: 0.05 loss_bbox: 0.1 {}grad_norm: 8.0"


def line(minute: int, second: int, iteration: int, metrics: str) -> str:
    stamp = f"2026/11/12 10:{minute:02d}:{second:02d}"
    where = f"Epoch(train) [1][{iteration:>5}/22878]"
    lr = "lr: 1.0e-03 eta: 10:00:00 time: 0.2 data_time: 0.01"
    return f"{stamp} - mmengine - INFO - {where}  {lr}  {metrics}\n"


@pytest.fixture
def log(tmp_path):
    """A log of the seed's form; every line may lack loss_macl, or hold a value of it."""

    def write(*macl: float | None, name: str = "20261112_100000.log") -> str:
        text = "2026/11/12 10:00:00 - mmengine - INFO - Checkpoints will be saved.\n"
        for number, value in enumerate(macl, start=1):
            middle = "" if value is None else f"loss_macl: {value} "
            told = LOSSES.format(middle)
            text += line(number // 6, number % 6 * 10, 50 * number, told)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_log_with_the_metric(dualwatch_, log) -> None:
    said = dualwatch_("check", log(0.45, 0.42, 0.4), "--json")
    document = json.loads(said.out)

    assert said.code == 0
    assert document["profile"]["name"] == "macl"
    assert all(set(item) >= ITEM for item in document["items"])
    assert sum(document["counts"].values()) == len(document["items"])
    told = {item["id"]: item["status"] for item in document["items"]}
    assert told["first-line"] == told["loss-macl"] == told["loss-macl-at-50"] == "pass"
    assert told["disk"] == told["no-stall"] == "skip"
    assert told["epoch-1-map"] == "pending"


def test_a_log_without_the_required_metric(dualwatch_, log) -> None:
    said = dualwatch_("check", log(None, None, None), "--require", "loss_macl", "--json")
    (item,) = (i for i in json.loads(said.out)["items"] if i["id"] == "required-metrics")

    assert said.code == 1
    assert (item["status"], item["code"]) == ("fail", "DW201")
    assert "loss_macl" in item["observed"]


def test_people_see_what_fails_and_what_to_do(dualwatch_, log) -> None:
    said = dualwatch_("check", log(1.4, 1.4, 1.4))

    assert said.code == 1
    assert "loss_macl 1.4 at epoch 1, iteration 50/22878" in said.out
    assert "expected" in said.out
    assert "dualwatch explain DW204" in said.out
    assert "failed" in said.out.splitlines()[-1]
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk", "utf-8"])
def test_every_encoding_holds_it(dualwatch_, log, encoding) -> None:
    said = dualwatch_("check", log(0.45, None, 2.0, name="ünï.log"), "-v", encoding=encoding)
    assert said.code in (0, 1)
    assert "Start-up" in said.out


def test_control_characters_of_a_log_do_not_reach_the_terminal(dualwatch_, tmp_path) -> None:
    path = tmp_path / "a.log"
    bad = LOSSES.format("loss_\x1b[31mmacl: 1.5 ")
    path.write_text(line(0, 10, 50, bad) + line(0, 20, 100, bad), encoding="utf-8")
    said = dualwatch_("check", str(path), "-v", "--require", "loss_x")
    assert "\x1b" not in said.out


def test_selected_and_ignored_items(dualwatch_, log) -> None:
    words = ("--select", "startup,no-stall", "--ignore", "loss-cls-at-50=it is another head")
    said = dualwatch_("check", log(0.4, 0.4), *words, "--json")
    items = {item["id"]: item for item in json.loads(said.out)["items"]}

    assert {item["stage"] for item in items.values()} == {"startup", "running"}
    assert items["loss-cls-at-50"]["observed"] == "ignored: it is another head"
    assert items["loss-macl"]["status"] == "pass"


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_an_item_that_does_not_exist(dualwatch_, log, option) -> None:
    said = dualwatch_("check", log(0.4), option, "los-macl")
    assert said.code == 2
    assert "'loss-macl'" in said.err
    assert said.out == ""


def test_junit_xml_is_what_a_ci_system_reads(dualwatch_, log, tmp_path) -> None:
    said = dualwatch_("check", log(1.4, 1.4, 1.4), "--junit-xml", "out.xml")
    root = ET.parse(tmp_path / "out.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}

    assert said.code == 1
    assert set(suites) >= {"dualwatch.preflight", "dualwatch.startup"}
    failures = [f.get("type") for f in root.iter("failure")]
    assert "DW204" in failures
    for suite in suites.values():
        cases = list(suite.iter("testcase"))
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(sum(c.find("failure") is not None for c in cases))


def test_a_file_for_xml_that_cannot_be_written(dualwatch_, log) -> None:
    said = dualwatch_("check", log(0.4), "--junit-xml", "no/such/folder.xml")
    assert said.code == 2
    assert "--junit-xml" in said.err


def test_limits_are_settings(dualwatch_, log, tmp_path) -> None:
    (tmp_path / "dualwatch.toml").write_text(
        "[check.items.loss-macl-at-50]\nhigh = 1.5\nfail-above = 2.0\n"
        "[check.ignore]\ngrad-norm-at-50 = 'clipped'\n",
        encoding="utf-8",
    )
    document = json.loads(dualwatch_("check", log(1.4, 1.4), "--json").out)
    items = {item["id"]: item for item in document["items"]}

    assert items["loss-macl-at-50"]["status"] == "pass"
    assert items["grad-norm-at-50"]["observed"] == "ignored: clipped"
    assert "changed by" in document["profile"]["because"]


def test_a_profile_that_is_not_valid_is_told_with_all_its_faults(dualwatch_, log, tmp_path) -> None:
    (tmp_path / "dualwatch.toml").write_text(
        "[check.items.disk]\nwran = '1GiB'\n[check.items.dsik]\nwarn = '1GiB'\n", encoding="utf-8"
    )
    said = dualwatch_("check", log(0.4))
    assert said.code == 2
    assert "'warn'" in said.err
    assert "'dsik'" in said.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("no/such.log",), 2),
        ((), 3),
        (("--profile", "no-such"), 2),
    ],
)
def test_there_is_nothing_to_check(dualwatch_, log, words, code) -> None:
    target = [log(0.4)] if "--profile" in words else []
    said = dualwatch_("check", *target, *words)
    assert said.code == code
    assert "do:" in said.err


def test_a_log_in_which_nothing_can_be_seen(dualwatch_, tmp_path) -> None:
    (tmp_path / "a.log").write_text("nothing of a training\n", encoding="utf-8")
    said = dualwatch_("check", "a.log", "--select", "preflight")
    assert said.code == 3


def test_a_configuration_that_does_not_load(dualwatch_, tmp_path) -> None:
    pytest.importorskip("mmengine")
    (tmp_path / "bad.py").write_text("model = nothing\n", encoding="utf-8")
    said = dualwatch_("check", "bad.py", "--json")
    items = {item["id"]: item for item in json.loads(said.out)["items"]}

    assert said.code == 2
    assert items["config-loads"]["status"] == "fail"
    assert "NameError" in items["config-loads"]["observed"]
    assert items["data-present"]["status"] == "skip"


def test_a_configuration_before_its_start(dualwatch_, tmp_path) -> None:
    pytest.importorskip("mmengine")
    asked = ("--select", "data-present", "--select", "first-line")
    (tmp_path / "some.py").write_text(
        "model = dict(type='M')\n"
        "train_dataloader = dict(batch_size=2, num_workers=0, dataset=dict(data_root='data/x'))\n",
        encoding="utf-8",
    )
    said = dualwatch_("check", "some.py", "--json", *asked)
    items = {item["id"]: item for item in json.loads(said.out)["items"]}

    assert said.code == 1
    assert items["data-present"]["status"] == "fail"
    assert "data/x" in items["data-present"]["observed"]
    assert items["first-line"]["status"] == "pending"
    Path("data/x").mkdir(parents=True)
    said = dualwatch_("check", "some.py", "--json", *asked)
    assert json.loads(said.out)["counts"]["fail"] == 0


def test_the_items_are_listed(dualwatch_) -> None:
    said = dualwatch_("check", "--list", "--profile", "macl")
    assert said.code == 0
    assert "loss-macl-falls" in said.out
    assert "preflight" in said.out


def test_watching_ends_when_all_is_decided(dualwatch_, log) -> None:
    said = dualwatch_("check", log(1.4, 1.4), "--watch", "--select", "loss-macl-at-50")
    assert said.code == 1
    assert "fail: loss_macl is normal at iteration 50" in said.err


@pytest.mark.parametrize(("missing", "code"), [(0, 0), (8, 3)])
def test_a_log_that_was_read_in_part_is_no_all_clear(dualwatch_, tmp_path, missing, code) -> None:
    packed = gzip.compress(Mmengine().begin().whole().text.encode())
    path = tmp_path / "run.log.gz"
    path.write_bytes(packed[: len(packed) - missing])

    assert dualwatch_("check", str(path)).code == code
    assert dualwatch_("diagnose", str(path), "--no-bundle").code == code
