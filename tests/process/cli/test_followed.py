"""``--notify`` and ``--metrics-port``: what is wrong is said before anything is started."""

from __future__ import annotations

import json
import socket
import sys

import pytest

SECRET = "topsecret"


@pytest.fixture
def other(tmp_path) -> str:
    """A configuration of another framework: nobody loads it, which is quick."""
    (tmp_path / "run.ini").write_text("")
    (tmp_path / "mine.py").write_text("open('started', 'w').close()")
    return "run.ini"


def train(dualwatch_, *words: str, **environ: str):
    return dualwatch_(
        "train", "run.ini", "--script", "mine.py", "--no-tensorboard", *words, **environ
    )


def nothing_was_started(tmp_path) -> bool:
    return not (tmp_path / "started").exists() and not list(tmp_path.rglob("journal.jsonl"))


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("nonsense://u:topsecret@host/", "nonsense://***"),
        ("https://u:topsecret@host/", "jsons://HOST/PATH"),
        ("topsecret", "--notify"),
    ],
)
def test_a_url_that_is_none(dualwatch_, tmp_path, other, url, hint) -> None:
    pytest.importorskip("apprise", reason="the extra dualwatch[notify] is not installed")
    said = train(dualwatch_, "--notify", url)
    assert (said.code, said.out) == (2, "")
    assert hint in said.err
    assert "do:" in said.err
    assert SECRET not in said.err
    assert nothing_was_started(tmp_path)


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        (("--notify", "json://u:topsecret@host/"), "apprise", "dualwatch[notify]"),
        (("--metrics-port", "9600"), "prometheus_client", "dualwatch[metrics]"),
    ],
)
def test_an_extra_that_is_not_installed(
    dualwatch_, tmp_path, monkeypatch, other, words, module, extra
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    said = train(dualwatch_, *words)
    assert (said.code, said.out) == (2, "")
    assert f"pip install '{extra}'" in said.err
    assert SECRET not in said.err
    assert nothing_was_started(tmp_path)


def test_a_port_that_is_taken(dualwatch_, tmp_path, other) -> None:
    pytest.importorskip("prometheus_client", reason="dualwatch[metrics] is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = train(dualwatch_, "--metrics-port", str(port))
    assert (said.code, said.out) == (2, "")
    assert f"cannot listen on 127.0.0.1:{port}" in said.err
    assert "--metrics-port" in said.err.split("do:")[1]
    assert nothing_was_started(tmp_path)


def test_a_host_that_is_not_ours(dualwatch_, tmp_path, other) -> None:
    pytest.importorskip("prometheus_client", reason="dualwatch[metrics] is not installed")
    # TEST-NET-1: no machine has it.
    said = train(dualwatch_, "--metrics-port", "9600", "--metrics-host", "192.0.2.1")
    assert said.code == 2
    assert "cannot listen on 192.0.2.1:9600" in said.err
    assert nothing_was_started(tmp_path)


def test_a_dry_run_listens_and_tells_nobody(dualwatch_, other) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = train(
            dualwatch_, "--dry-run", "--metrics-port", str(port), "--notify", "json://topsecret@h"
        )
    assert said.code == 0
    assert SECRET not in said.out + said.err


def test_addresses_are_listed_without_their_secrets(dualwatch_, tmp_path) -> None:
    (tmp_path / "dualwatch.toml").write_text(
        'notify = ["json://me:topsecret@host:8000/topsecret?x=topsecret", "tgram://topsecret/1",'
        ' "mailto://me:top/topsecret@mail.example.org"]\nmetrics_port = 9600\n'
    )
    shown = dualwatch_("config", "show")
    document = json.loads(dualwatch_("config", "show", "--json").out)
    rows = {row["name"]: row["value"] for row in document["settings"]}
    assert rows["notify"] == ["json://host:8000/***", "tgram://***", "mailto://***"]
    assert rows["metrics_port"] == 9600
    assert "json://host:8000/***" in shown.out
    assert SECRET not in shown.out + json.dumps(document)


def test_wrong_settings_do_not_quote_secrets(dualwatch_, tmp_path) -> None:
    (tmp_path / "dualwatch.toml").write_text('notify = ["topsecret"]')
    said = dualwatch_("config", "show", DUALWATCH_NOTIFY="me:topsecret@host")
    assert said.code == 2
    assert "dualwatch.toml" in said.err
    assert "DUALWATCH_NOTIFY" in said.err
    assert SECRET not in said.err
