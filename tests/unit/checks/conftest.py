"""Trainings told in a few words, and what the checklist of MACL makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from dualwatch.checks import profiles, runner
from dualwatch.checks.item import CheckResult, CheckSubject, RunLife
from dualwatch.events import (
    AttemptStarted,
    ConfigRead,
    EvaluationLogged,
    Event,
    Evidence,
    Finding,
    IterationLogged,
)
from dualwatch.history.training_record import TrainingRecord
from dualwatch.rules.catalog import finding
from dualwatch.state.snapshot import fold

EPOCH = 22_878
EVERY = 50

CONFIG = ConfigRead(
    at=0.0,
    wall=0.0,
    path="plan_c.py",
    how="loaded",
    loaders={"train_dataloader": {"batch_size": 2, "num_workers": 0}, "val_dataloader": {}},
    platform="linux",
    paired=True,
    looked_at=300,
    model_words=("type", "MACLHead"),
    epochs=3,
    preprocessor="PairedDetDataPreprocessor",
    backends=("LocalVisBackend", "TensorboardVisBackend"),
    folders=2,
    files=1,
    whole=True,
    built=("model", "optimizer"),
    compared=("head: 1", "training data: 1"),
)

SOUND: Mapping[str, float] = {
    "loss": 0.6,
    "loss_cls": 0.05,
    "loss_bbox": 0.1,
    "loss_macl": 0.4,
    "grad_norm": 8.0,
}


class Training:
    """A training of the seed's size: a line every 50 iterations, every 10 seconds."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.t = 0.0
        self.epoch = 1
        self.iteration = 0
        self.life = RunLife.ALIVE
        self.finished = False
        self.findings: list[Finding] = []
        self.overcome: list[Finding] = []
        self.config: ConfigRead | None = CONFIG
        self.tell(
            AttemptStarted, attempt=0, pid=1, create_time=0.0, command=("python",), overrides={}
        )

    def tell(self, kind: type[Event], /, **fields: Any) -> Training:
        self.events.append(kind(at=self.t, wall=1000.0 + self.t, **fields))
        return self

    def wait(self, seconds: float) -> Training:
        self.t += seconds
        return self

    def line(self, every: float = 10.0, **metrics: float | None) -> Training:
        """The next training line; None takes a metric out of it."""
        self.wait(every)
        self.iteration += EVERY
        told = {k: v for k, v in {**SOUND, **metrics}.items() if v is not None}
        return self.tell(
            IterationLogged,
            mode="train",
            epoch=self.epoch,
            iteration=self.iteration,
            total=EPOCH,
            metrics=told,
            eta_s=None,
        )

    def lines(self, count: int, **metrics: float | None) -> Training:
        for _ in range(count):
            self.line(**metrics)
        return self

    def warms_up(self, **metrics: float | None) -> Training:
        """Eleven minutes in which loss_macl falls from 0.5 to 0.28."""
        for number in range(66):
            self.line(**{"loss_macl": 0.5 - 0.22 * min(1, number / 50), **metrics})
        return self

    def ends_epoch(self, level: float = 0.25, **metrics: float) -> Training:
        """The rest of an epoch, shortened, and its evaluation."""
        self.iteration = EPOCH - 15 * EVERY
        self.lines(14, loss_macl=level).wait(60)
        self.tell(
            EvaluationLogged,
            mode="val",
            epoch=self.epoch,
            iteration=100,
            total=100,
            metrics={"pascal_voc/mAP": 0.57, "time": 0.1, **metrics},
        )
        self.epoch, self.iteration = self.epoch + 1, 0
        return self

    def found(self, code: str, text: str = "seen", **fields: Any) -> Training:
        evidence = [Evidence(text=text, source="console.log")]
        self.findings.append(finding(code, evidence, confidence=0.9, **fields))
        return self

    def subject(self, **fields: Any) -> CheckSubject:
        course = TrainingRecord()
        for event in self.events:
            course.take(event)
        s = replace(fold(self.events), at=self.t)
        if self.config is not None:
            s = replace(s, config=self.config)
        known = {
            "s": replace(s, **{k: fields.pop(k) for k in list(fields) if hasattr(s, k)}),
            "course": course,
            "findings": tuple(self.findings),
            "overcome": tuple(self.overcome),
            "required": ("loss_macl",),
            "life": self.life,
            "finished": self.finished,
        }
        return CheckSubject(**{**known, **fields})


@pytest.fixture
def training() -> Training:
    return Training()


Judge = Callable[..., dict[str, CheckResult]]


@pytest.fixture
def judged() -> Judge:
    """The results by id, of the profile of MACL unless another one is named."""

    def judge(
        subject: CheckSubject, profile: str = "macl", **ignored: str
    ) -> dict[str, CheckResult]:
        items = profiles.load(profile).all_items
        return {r.item.id: r for r in runner.judge(items, subject, ignored)}

    return judge
