"""A run as Prometheus metrics: what is said, what is left out, and what the examples rely on."""

from __future__ import annotations

import json
import re

import pytest
from dualwatch.events import (
    AttemptEnded,
    CommandAnswered,
    GpuSample,
    GpusSampled,
    HeartbeatRead,
    IterationLogged,
    ProcessesSampled,
    ProcessSample,
    Severity,
)
from dualwatch.history.run import AttemptHistory
from dualwatch.protocol import AgentCommand, Phase

pytest.importorskip("prometheus_client", reason="the extra dualwatch[metrics] is not installed")

from dualwatch.report.run.prometheus import LABEL_LENGTH, MOST_METRICS, RunCollector, RunState
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.support.paths import ROOT

MONITORING = ROOT / "docs" / "monitoring"


class Nobody:
    """A view that shows nothing."""

    def event(self, event, snapshot) -> None: ...

    def tick(self, snapshot) -> None: ...


@pytest.fixture
def teller(telling):
    """A run with a heartbeat, losses, processes and two GPUs, one of which cannot be read."""
    teller = telling(Nobody()).started()
    for beats in (1, 2):
        teller.wait(1).tell(
            HeartbeatRead,
            rank=0,
            pid=100,
            phase=Phase.WAITING,
            beats=beats,
            epoch=1,
            begun=20,
            iteration=20 + beats,
            batch=beats,
            batches=20,
            max_epochs=3,
            max_iterations=60,
        )
    metrics = {"lr": 0.1, "loss": float("nan"), "loss_macl": 0.41, "time": 0.3}
    teller.tell(
        IterationLogged, mode="train", epoch=2, iteration=2, total=20, metrics=metrics, eta_s=9.0
    )
    main = ProcessSample(
        pid=100,
        create_time=1.0,
        ppid=1,
        role="main",
        status="sleeping",
        cpu_s=1.0,
        io_bytes=None,
        rss=1000,
        threads=1,
        wchan="",
        command="python",
    )
    teller.tell(ProcessesSampled, processes=(main,))
    gpus = (
        GpuSample(index=0, name="H\n100", used=5, total=10, tree=4, utilisation=50),
        GpuSample(index=1, name="lost", used=None, total=None, tree=None, utilisation=None),
    )
    return teller.tell(GpusSampled, gpus=gpus)


def state_of(teller, **changed) -> RunState:
    known = {
        "now": teller.t,
        "config": "c.py",
        "work_dir": "wd",
        "required": ("loss_macl", "loss_gone"),
        "snapshot": teller.snapshot,
        "findings": (),
        "records": (),
    }
    return RunState(**{**known, **changed})


def text_of(state: RunState | None) -> str:
    registry = CollectorRegistry()
    registry.register(RunCollector(lambda: state))
    return generate_latest(registry).decode()


def samples_of(state: RunState) -> dict[tuple[str, ...], float]:
    """(name, label values...) -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parsed(text_of(state))
        for sample in family.samples
    }


def test_before_the_run_begins_there_is_nothing() -> None:
    assert text_of(None) == ""


def test_where_the_training_stands(teller) -> None:
    told = samples_of(state_of(teller, now=teller.t + 60))
    assert told["dualwatch_training_up",] == 1
    assert told["dualwatch_attempt",] == 0
    assert told["dualwatch_iteration",] == 22
    assert told["dualwatch_epoch",] == 2
    assert told["dualwatch_seconds_since_progress",] == 60
    assert told["dualwatch_last_progress_timestamp_seconds",] == teller.snapshot.progress_wall
    assert told["dualwatch_phase", "waiting-for-batch"] == 1
    assert sum(value for key, value in told.items() if key[0] == "dualwatch_phase") == 1
    assert told["dualwatch_outcome", "running"] == 1
    assert told["dualwatch_processes", "main"] == 1
    assert told["dualwatch_memory_bytes",] == 1000


def test_metrics_of_the_training(teller) -> None:
    told = samples_of(state_of(teller))
    assert told["dualwatch_metric_value", "loss_macl"] == 0.41
    assert told["dualwatch_metric_value", "loss"] != told["dualwatch_metric_value", "loss"]
    assert told["dualwatch_required_metric_present", "loss_macl"] == 1
    assert told["dualwatch_required_metric_present", "loss_gone"] == 0
    assert ("dualwatch_metric_value", "time") not in told


def test_what_cannot_be_read_is_absent(teller) -> None:
    told = samples_of(state_of(teller))
    gpu = {key[1:]: value for key, value in told.items() if "gpu_memory_used" in key[0]}
    assert gpu == {("0", "H100"): 5}


def test_troubles_are_counted_over_all_attempts(teller, telling) -> None:
    teller.found("DW102", "no progress").found("DW204", "loss_macl is 1.2")
    teller.tell(
        CommandAnswered,
        rank=0,
        number=1,
        order=AgentCommand.REPLACE,
        done=True,
        iteration=22,
    )
    findings = tuple(event.finding for event in teller.events if hasattr(event, "finding"))
    teller.tell(AttemptEnded, attempt=0, exit_code=None, signal="SIGKILL")
    record = AttemptHistory(snapshot=teller.snapshot, findings=findings, lost_iterations=7)
    # The attempt that is over is counted once, whether the next one has begun or not.
    between = samples_of(state_of(teller, findings=findings, records=(record,)))
    teller.started(attempt=1).found("DW102", "no progress")
    again = (teller.events[-1].finding,)
    later = samples_of(state_of(teller, findings=again, records=(record,)))
    for told, stalls, reruns in ((between, 1, 0), (later, 2, 1)):
        assert told["dualwatch_stalls_total",] == stalls
        assert told["dualwatch_reruns_total",] == reruns
        assert told["dualwatch_cures_in_place_total",] == 1
        assert told["dualwatch_lost_iterations_total",] == 7
        key = ("dualwatch_findings_total", "DW102", "stalled-training", "error")
        assert told[key] == stalls
    assert between["dualwatch_training_up",] == 0
    assert ("dualwatch_seconds_since_progress",) not in between


def test_the_end_is_told(teller) -> None:
    told = samples_of(state_of(teller, outcome="gave-up"))
    assert told["dualwatch_outcome", "gave-up"] == 1
    assert told["dualwatch_outcome", "running"] == 0


def test_names_from_outside_are_bounded_and_clean(teller) -> None:
    names = [f"loss_{i}" for i in range(2 * MOST_METRICS)] + ["loss\x1b[31m\n" + "x" * 999]
    teller.tell(
        IterationLogged,
        mode="train",
        epoch=2,
        iteration=3,
        total=20,
        metrics=dict.fromkeys(names, 1.0),
        eta_s=None,
    )
    long = f"{'y' * LABEL_LENGTH}"
    teller.found("DW606", "died", severity=Severity.ERROR)
    told = samples_of(state_of(teller, required=(names[-1],), config=long + "z"))
    values = [key[1] for key in told if key[0] == "dualwatch_metric_value"]
    assert len(values) == MOST_METRICS
    assert values[0].startswith("lossxxx"), "what was asked for is never what is left out"
    assert max(len(word) for key in told for word in key) <= LABEL_LENGTH
    assert all(word.isprintable() for key in told for word in key)


# --- examples --------------------------------------------------------------------------------

NAME = re.compile(r"\bdualwatch_[a-z_]+")


@pytest.fixture
def exported(teller) -> set[str]:
    teller.found("DW102", "no progress")
    findings = (teller.events[-1].finding,)
    return {key[0] for key in samples_of(state_of(teller, findings=findings))}


def test_the_alert_rules_ask_for_what_there_is(exported) -> None:
    yaml = pytest.importorskip("yaml")
    document = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    for rule in rules:
        asked = set(NAME.findall(rule["expr"]))
        assert asked, rule
        assert asked <= exported, rule
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert {"alert", "expr", "labels", "annotations"} <= set(rule)
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_the_dashboard_asks_for_what_there_is(exported) -> None:
    text = (MONITORING / "dashboard.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert set(NAME.findall(text)) <= exported
    # What Grafana's import looks at.
    assert {"title", "schemaVersion", "panels", "templating"} <= set(document)
    assert document.get("id") is None
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in document["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["targets"]


def test_the_page_lists_all_there_is(exported) -> None:
    text = (MONITORING.parent / "monitoring.md").read_text(encoding="utf-8")
    rows = "".join(line for line in text.splitlines() if line.startswith("| `"))
    assert set(NAME.findall(rows)) == exported
