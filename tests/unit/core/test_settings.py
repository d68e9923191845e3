"""Settings: who wins, where a value came from, and everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dualwatch.core.clock import duration
from dualwatch.core.errors import DualwatchError, Exit
from dualwatch.core.settings import (
    ENV_PREFIX,
    SETTINGS,
    Settings,
    resolve,
)
from dualwatch.core.urls import masked
from dualwatch.protocol import INTERNAL_ENV

Resolve = Callable[..., Settings]


@pytest.fixture
def settle(tmp_path) -> Resolve:
    """Settles settings from files of a nested folder, an environment and flags, and no others."""
    folder = tmp_path / "project" / "configs" / "llvip"
    folder.mkdir(parents=True)
    place = {"here": folder, "up": folder.parent, "top": tmp_path / "project"}

    def settle(env: dict[str, str] | None = None, **words: object) -> Settings:
        flags = {}
        for key, value in words.items():
            where, _, name = key.partition("_")
            if where in place:
                file = "pyproject.toml" if name == "pyproject" else "dualwatch.toml"
                (place[where] / file).write_text(str(value), encoding="utf-8")
            else:
                flags[key] = value
        return resolve(flags, environ=env or {}, folder=folder)

    return settle


def problems(settle: Resolve, **words: object) -> list[str]:
    with pytest.raises(DualwatchError) as caught:
        settle(**words)
    assert caught.value.exit_code is Exit.USAGE
    return caught.value.why.splitlines()


# --- precedence ------------------------------------------------------------------------------

PYPROJECT = "[tool.dualwatch]\nport = 1000\n"


@pytest.mark.parametrize(
    ("words", "value", "source"),
    [
        ({}, 6006, "default"),
        ({"top_pyproject": PYPROJECT}, 1000, "project/pyproject.toml [tool.dualwatch]"),
        ({"top_pyproject": PYPROJECT, "top_toml": "port = 2000"}, 2000, "project/dualwatch.toml"),
        (
            {"top_toml": "port = 2000", "up_pyproject": PYPROJECT},
            1000,
            "configs/pyproject.toml [tool.dualwatch]",
        ),
        ({"top_toml": "port = 2000", "here_toml": "port = 3000"}, 3000, "llvip/dualwatch.toml"),
        (
            {"here_toml": "port = 3000", "env": {"DUALWATCH_PORT": "4000"}},
            4000,
            "environment DUALWATCH_PORT",
        ),
        (
            {"here_toml": "port = 3000", "env": {"DUALWATCH_PORT": "4000"}, "port": "5000"},
            5000,
            "flag",
        ),
    ],
    ids=["default", "pyproject", "own file", "nearer", "nearest", "environment", "flag"],
)
def test_who_wins(settle, words, value, source) -> None:
    settings = settle(**words)
    assert settings.port == value
    assert settings.origin("port").replace("\\", "/").endswith(source)


def test_a_file_gives_way_only_where_it_is_overruled(settle) -> None:
    text = "port = 3000\nmax-reruns = 1\non_stall = 'stop'"
    settings = settle(here_toml=text, env={"DUALWATCH_ON_STALL": "report"})
    assert (settings.port, settings.max_reruns, settings.on_stall) == (3000, 1, "report")
    assert settings.busy_timeout == 1800


def test_a_pyproject_of_somebody_else_is_passed_over(settle) -> None:
    settings = settle(here_pyproject="[tool.ruff]\nline-length = 100", top_toml="port = 2000")
    assert settings.port == 2000


def test_the_nearest_file_is_the_only_one(settle) -> None:
    assert settle(top_toml="port = 2000", here_toml="max_reruns = 1").port == 6006


def test_a_flag_that_was_not_given_overrules_nothing(settle) -> None:
    assert settle(here_toml="tensorboard = false", tensorboard=None).tensorboard is False
    assert settle(here_toml="tensorboard = false", tensorboard=True).tensorboard is True


def test_every_setting_is_listed_with_its_origin(settle) -> None:
    rows = settle(env={"DUALWATCH_GRACE": "3s"}).rows()
    assert [name for name, *_ in rows] == [setting.name for setting in SETTINGS]
    assert ("grace", 3.0, "environment DUALWATCH_GRACE") in [row[:3] for row in rows]
    assert all(help_text for *_, help_text in rows)


def test_a_setting_of_an_earlier_run_that_is_not_valid_now_is_left_out(settle) -> None:
    settings = settle(port=7000).over({"on_stall": "explode", "port": 1, "gone": 2, "grace": 3.0})
    assert (settings.on_stall, settings.port, settings.grace) == ("rerun", 7000, 3.0)
    assert settings.origin("grace") == "the run so far"
    assert settings.origin("on_stall") == "default"


def test_another_profile_keeps_the_changes_to_it(settle) -> None:
    settings = settle(here_toml="[check]\nignore = ['disk']").with_profile("neutral")
    assert settings.check == {"ignore": ["disk"], "profile": "neutral"}
    assert settings.origin("check") == "flag"


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h2m3s", 3723),
        ("0.5h", 1800),
        ("90", 90),
        (90, 90),
        (2.5, 2.5),
        (" 5M ", 300),
    ],
)
def test_durations(text, seconds) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0s", "-5", "5 m", "5d", "m5", "5m30", "abc", "inf", "nan", "1e9", True, None, [5]],
)
def test_what_is_no_duration(text) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(text)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("keep_effective_batch", "off", False),
        ("keep_effective_batch", "YES", True),
        ("tensorboard", False, False),
        ("max_reruns", "0", 0),
        ("max_reruns", 100, 100),
        ("require", "loss_macl, loss_cls,", ("loss_macl", "loss_cls")),
        ("require", ["loss_macl"], ("loss_macl",)),
        ("require", "", ()),
        ("on_missing", "stop", "stop"),
        ("python", "/usr/bin/python3", "/usr/bin/python3"),
    ],
)
def test_values(settle, name, raw, value) -> None:
    assert getattr(settle(**{name: raw}), name) == value


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("keep_effective_batch", "maybe", "true or false"),
        ("max_reruns", "three", "not an integer"),
        ("max_reruns", "-1", "not an integer"),
        ("max_reruns", 101, "from 0 to 100"),
        ("max_reruns", True, "not an integer"),
        ("max_reruns", 1.5, "not an integer"),
        ("port", 0, "from 1 to 65535"),
        ("port", 65536, "from 1 to 65535"),
        ("on_stall", "restart", "rerun, stop, report"),
        ("on_stall", ["stop"], "rerun, stop, report"),
        ("on_missing", "rerun", "report, stop"),
        ("require", 5, "list of names"),
        ("require", [1, 2], "list of names"),
        ("stall_timeout", "soon", "90s, 5m or 1h30m"),
    ],
)
def test_what_is_no_value(settle, name, raw, words) -> None:
    (problem,) = problems(settle, **{name: raw})
    assert problem.startswith(f"flag: --{name.replace('_', '-')} = {raw!r}")
    assert words in problem


# --- problems --------------------------------------------------------------------------------


def test_all_that_is_wrong_is_said_at_once(settle) -> None:
    found = problems(
        settle,
        here_toml="stall_timout = '5m'\nport = 'high'\nwholly_unknown_thing = 1",
        env={"DUALWATCH_MAX_RERUN": "3", "DUALWATCH_GRACE": "never", "PATH": "/bin"},
        on_stall="explode",
    )
    text = "\n".join(found)
    assert len(found) == 6
    assert "unknown key 'stall_timout'; did you mean 'stall_timeout'?" in text
    assert "dualwatch.toml: port = 'high'" in text
    assert "unknown key 'wholly_unknown_thing'" in text
    assert "'DUALWATCH_MAX_RERUN'; did you mean 'DUALWATCH_MAX_RERUNS'?" in text
    assert "environment: DUALWATCH_GRACE = 'never'" in text
    assert "flag: --on-stall = 'explode'" in text


def test_a_name_that_is_like_none_gets_no_guess(settle) -> None:
    (problem,) = problems(settle, env={"DUALWATCH_XYZZY": "1"})
    assert "did you mean" not in problem


@pytest.mark.parametrize("text", ["port = ", "port = 1\nport = 2", "[[]]", "\x00"], ids=repr)
def test_a_file_that_is_no_toml_is_named(settle, text) -> None:
    (problem,) = problems(settle, here_toml=text)
    assert "dualwatch.toml" in problem


def test_a_file_that_is_no_utf8_is_named(tmp_path) -> None:
    (tmp_path / "dualwatch.toml").write_bytes(b"on_stall = '\xff'")
    with pytest.raises(DualwatchError, match="not valid") as caught:
        resolve({}, environ={}, folder=tmp_path)
    assert "dualwatch.toml" in caught.value.why


@pytest.mark.parametrize("name", [*INTERNAL_ENV, "DUALWATCH_CACHE", "DUALWATCH_TORCH_INDEX"])
def test_our_own_messages_to_a_child_are_no_settings(settle, name) -> None:
    assert settle(env={name: "anything"}).rows() == settle().rows()
    assert name.startswith(ENV_PREFIX)


def test_the_process_environment_and_folder_are_the_default(tmp_path, monkeypatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(ENV_PREFIX + setting.name.upper(), raising=False)
    Path(tmp_path, "dualwatch.toml").write_text("port = 7000", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUALWATCH_MAX_RERUNS", "7")
    settings = resolve({})
    assert (settings.port, settings.max_reruns) == (7000, 7)


# --- addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("json://host", "json://host"),
        ("json://host:8000/hook", "json://host:8000/***"),
        ("jsons://me:pw@host/hook?token=x", "jsons://host/***"),
        ("mailto://me:pw@mail.example.org", "mailto://mail.example.org/***"),
        ("mailto://me:p/w@mail.example.org", "mailto://***"),
        ("mailto://me:1/w@mail.example.org", "mailto://***"),
        ("mailto://mail.example.org/you@example.org", "mailto://***"),
        ("json://host?pw@x", "json://host/***"),
        ("json://a b:pw", "json://***"),
        ("tgram://123456:token/chat", "tgram://***"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord://***"),
        ("slack://token", "slack://***"),
        ("token", "***"),
        ("to ken://host", "***"),
        ("", "***"),
    ],
)
def test_what_may_be_seen_of_an_address(url, shown) -> None:
    assert masked(url) == shown


def test_addresses_are_kept_whole_for_use_and_masked_for_lists(settle) -> None:
    settings = settle(env={"DUALWATCH_NOTIFY": "json://me:pw@a/x  tgram://b:c/d json://me:pw@a/x"})
    assert settings.notify == ("json://me:pw@a/x", "tgram://b:c/d")
    listed = {name: value for name, value, *_ in settings.rows()}
    assert listed["notify"] == ["json://a/***", "tgram://***"]


def test_a_masked_address_of_a_run_is_not_used_again(settle) -> None:
    before = settle(env={"DUALWATCH_NOTIFY": "json://me:pw@a/x"}, port=7000, metrics_port=9600)
    kept = {name: value for name, value, *_ in before.rows()}
    after = settle().over(kept)
    assert after.notify is None
    assert (after.port, after.metrics_port) == (7000, 9600)
    again = settle(notify=["json://b"]).over(kept)
    assert again.notify == ("json://b",)


@pytest.mark.parametrize("raw", ["me:topsecret@host", ["json://a", "topsecret"], 5, [5]])
def test_what_is_no_address_is_not_quoted(settle, raw) -> None:
    (problem,) = problems(settle, notify=raw)
    assert "URL" in problem
    assert "topsecret" not in problem


@pytest.mark.parametrize("raw", ["127.0.0.1", "0.0.0.0", "::1", "localhost"])
def test_where_to_listen(settle, raw) -> None:
    assert settle(metrics_host=raw).metrics_host == raw


@pytest.mark.parametrize("raw", ["", "a b", 5, "http://x/"])
def test_where_nobody_can_listen(settle, raw) -> None:
    (problem,) = problems(settle, metrics_host=raw)
    assert "address" in problem
