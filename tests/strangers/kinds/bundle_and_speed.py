"""Kinds J and K: names that stay in a bundle; trainings that are slow."""

from __future__ import annotations

from dataclasses import replace

from tests.strangers.case import (
    Case,
    Kind,
    Outcome,
    Truth,
    ailing,
    finished,
    flawed,
    open_end,
    pair,
)
from tests.strangers.consoles.errors import elastic
from tests.strangers.consoles.mmcv import Mmcv
from tests.strangers.consoles.mmengine import Mmengine

J, K = Kind.BUNDLE, Kind.SPEED


def host(name: str) -> str:
    return Mmcv().begin(host=name, work_dir="/home/wangwei/exp/old").whole().text


def slower(grows: bool) -> str:
    """Iterations take 0.4 s at first and 1.6 s in the last epoch; data_time does not grow."""
    console = Mmengine(epochs=6, iters=400).begin()
    for epoch in range(1, 7):
        for at in range(50, 401, 50):
            seconds = 0.4 * (1.32 ** (epoch - 1)) if grows else 0.4
            console.line(
                epoch, at, loss=round(1 / (epoch + at / 400), 4), time=seconds, data_time=0.004
            )
        console.save(epoch).val(epoch, **{"coco/bbox_mAP": 0.1 + epoch / 20})
    return console.text


def jump(at_once: bool) -> str:
    """mmcv: from epoch 3 on, an iteration takes eight times as long."""
    console = Mmcv(epochs=5, iters=500).begin()
    for epoch in range(1, 6):
        for at in range(50, 501, 50):
            seconds = 4.0 if at_once and epoch >= 3 else 0.5
            console.line(
                epoch, at, loss=round(1 / (epoch + at / 500), 4), time=seconds, data_time=0.006
            )
        console.save(epoch).val(epoch, bbox_mAP=0.1 + epoch / 20)
    return console.text


def hungry(waits: bool) -> str:
    """Nine tenths of an iteration are spent waiting for data."""
    console = Mmengine(epochs=4, iters=300).begin()
    for epoch in range(1, 5):
        for at in range(50, 301, 50):
            console.line(
                epoch,
                at,
                loss=round(1 / (epoch + at / 300), 4),
                time=2.1,
                data_time=1.9 if waits else 0.05,
            )
        console.save(epoch).val(epoch, **{"coco/bbox_mAP": 0.1 + epoch / 20})
    return console.text


def first_line_slow(always: bool) -> str:
    """Only the first line is slow: cuDNN looks for its algorithms."""
    console = Mmengine(epochs=3, iters=300).begin()
    for epoch in range(1, 4):
        for at in range(50, 301, 50):
            slow = (epoch, at) == (1, 50) or (always and epoch > 1)
            console.line(
                epoch,
                at,
                loss=round(1 / (epoch + at / 300), 4),
                time=3.2 if slow else 0.5,
                data_time=0.3 if (epoch, at) == (1, 50) else 0.01,
            )
        console.save(epoch).val(epoch, **{"coco/bbox_mAP": 0.1 + epoch / 20})
    return console.text


def mild(truth: Truth) -> Truth:
    """Speed is a warning at most, of a training that is not ill."""
    return replace(truth, mild=True, exit=(0, 1), check_exit=(0, 1))


CASES: tuple[Case, ...] = (
    *pair(
        J,
        "mmcv's host line: user and host",
        sick=lambda: host("wangwei@gpu-box-17"),
        truth=finished(place=(3, 100), hidden=("wangwei", "gpu-box-17")),
        sound=lambda: host("user@host").replace("/home/wangwei", "/data"),
        health=finished(place=(3, 100)),
    ),
    *pair(
        J,
        "torchrun's table names the host, a path names the user",
        sick=lambda: (
            Mmengine()
            .begin(work_dir="/Users/hanako/exp")
            .whole(1, 1)
            .raw(elastic(1, -15, "SIGTERM").replace("gpu-a3", "lab-node-09.cs.example.edu"))
            .text
        ),
        truth=replace(
            ailing("DW609", place=(1, 100), hidden=("hanako", "lab-node-09")), outcome=Outcome.DEAD
        ),
        sound=lambda: Mmengine().begin(work_dir="/exp").whole(1, 1).text,
        health=open_end(place=(1, 100)),
    ),
    *pair(
        J,
        "Windows paths and a token",
        sick=lambda: (
            Mmengine()
            .begin(
                more="work = 'C:\\\\Users\\\\mueller\\\\det'\nwandb_key = 'hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345'\n"
            )
            .whole()
            .text
        ),
        truth=finished(place=(3, 100), hidden=("mueller", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345")),
        sound=lambda: Mmengine().begin().whole().text,
        health=finished(place=(3, 100)),
    ),
    *pair(
        K,
        "iterations take four times as long in the end, not for data",
        sick=lambda: slower(True),
        truth=mild(flawed("DW208", "DW407", place=(6, 400))),
        sound=lambda: slower(False),
        health=finished(place=(6, 400), never=("DW208", "DW209")),
    ),
    *pair(
        K,
        "eight times as slow since epoch 3 (mmcv)",
        sick=lambda: jump(True),
        truth=mild(flawed("DW208", "DW407", place=(5, 500), facts=("3|1050|0\\.5\\d*|4\\.0*",))),
        sound=lambda: jump(False),
        health=finished(place=(5, 500), never=("DW208", "DW209")),
    ),
    *pair(
        K,
        "waits for data nine tenths of the time",
        sick=lambda: hungry(True),
        truth=mild(flawed("DW209", place=(4, 300))),
        sound=lambda: hungry(False),
        health=finished(place=(4, 300), never=("DW208", "DW209")),
    ),
    *pair(
        K,
        "slow since the second epoch",
        sick=lambda: first_line_slow(True),
        truth=mild(flawed("DW208", "DW407", place=(3, 300))),
        sound=lambda: first_line_slow(False),
        health=finished(place=(3, 300), never=("DW208", "DW209")),
    ),
)
