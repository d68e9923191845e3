"""What is named as a log and is none."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import tarfile
import zipfile

import pytest
from dualwatch.collectors import file_kinds, target
from dualwatch.core.errors import DualwatchError, Exit

LOG = "2024/03/04 10:00:00 - mmengine - INFO - Epoch(train) [1][50/100]  loss: 0.7\n" * 40


def zipped(name: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name, LOG)
    return data.getvalue()


def tarred() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        info = tarfile.TarInfo("a.log")
        info.size = len(LOG)
        archive.addfile(info, io.BytesIO(LOG.encode()))
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("epoch_3.pth", zipped("epoch_3/data.pkl"), "a checkpoint of PyTorch"),
        ("runs.zip", zipped("a.log"), "a zip archive"),
        ("runs.tar", tarred(), "a tar archive"),
        ("runs.tar.gz", gzip.compress(tarred()), "a tar archive"),
        ("results.pkl", pickle.dumps({"a": [1, 2]}), "a pickle of Python"),
        ("old.pth", pickle.dumps({"a": [1, 2]}), "a checkpoint of PyTorch"),
        ("screen.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "an image"),
        ("model.onnx", random.Random(3).randbytes(4096), "a file of weights"),
        ("train.ipynb", b'{"cells": [], "nbformat": 4}', "a notebook of Jupyter"),
        ("train.log", random.Random(3).randbytes(4096), "a binary file"),
    ],
)
def test_a_binary_file_is_refused(tmp_path, name, data, what) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    found = file_kinds.of(path)
    assert found is not None
    assert found.what == what
    with pytest.raises(DualwatchError) as refused:
        target.resolve(path)
    assert refused.value.exit_code is Exit.USAGE
    assert found.what in refused.value.why
    assert refused.value.do


@pytest.mark.parametrize(
    "data",
    [
        b"",
        LOG.encode(),
        gzip.compress(LOG.encode()),
        LOG.encode("utf-16"),
        LOG.encode("utf-16-le"),
        "训练完成, 页面文件太小\r\n".encode("gbk") * 30,
        "训练完成, 页面文件太小\n".encode("utf-16"),
        LOG.replace("\n", "\x1b[0m\x1b[K\r\n").encode(),
        b"MZ is the first word of a line\n" * 9,
        "\r 40%|████      | 160/400\x08\x08".encode() * 40,
        LOG.encode() + b"\0" * 40,
    ],
)
def test_text_in_any_form_is_a_log(tmp_path, data) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(data)
    assert file_kinds.of(path) is None
    assert target.resolve(path).log == path
