"""Nothing of people, machines and secrets leaves; all that tells of the training does."""

from __future__ import annotations

import base64
import json
import time
from pathlib import PurePosixPath
from urllib.parse import quote

import pytest
from dualwatch.report.bundle.redaction import Redactor
from hypothesis import example, given
from hypothesis import strategies as st

SECRET = 'p/7Q+zz&"9 k='
KEY = "0123456789abcdef" * 2 + "01234567"
ENVIRON = {
    "USER": "alice",
    "WANDB_API_KEY": KEY,
    "DB_PASSWORD": SECRET,
    "SHORT_TOKEN": "ab1",
    "HTTP_PROXY": "http://svc:pr0xypass@10.0.0.1:3128",
    "MASTER_ADDR": "node7.corp.example",
    "TOKENIZERS_PARALLELISM": "disabled",
    "XDG_SESSION_TYPE": "wayland",
    "PWD": "/mnt/runs/today",
}


@pytest.fixture
def redactor() -> Redactor:
    return Redactor.of_machine(ENVIRON, "alice", "/home/alice", "gpu01.lab.example.org")


CASES = [
    # homes: ours, other people's, of every system
    ("/home/alice/proj/train.py", "<home-1>/proj/train.py"),
    ("in /home/bob.", "in <home-2>."),
    ("/nfs/home/bob/x", "/nfs<home-2>/x"),
    ("/Users/eve/x", "<home-2>/x"),
    (r"C:\Users\Ada Byron\work\a.py", r"<home-2>\work\a.py"),
    (r"c:\\Users\\ada\\a.py", r"<home-2>\\a.py"),
    ("~bob/x", "<home-2>/x"),
    (r'"x:\n/home/alice/t.py"', r'"x:\n<home-1>/t.py"'),
    # users
    ("alice ALICE alice_exp1 alice's", "<user-1> <user-1> <user-1>_exp1 <user-1>'s"),
    ("/scratch/alice/x", "/scratch/<user-1>/x"),
    ("%2Falice%2F", "%2F<user-1>%2F"),
    ("\x1b[31malice\x1b[0m", "\x1b[31m<user-1>\x1b[0m"),
    ("ssh://alice@h/x", "ssh://<user-1>@h/x"),
    # machines
    ("gpu01 and gpu01.lab.example.org", "<host-1> and <host-1>"),
    ("gpu02.lab.example.org:80", "<host-2>:80"),
    ("MASTER_ADDR=node7.corp.example", "MASTER_ADDR=<host-2>"),
    ("--rdzv-endpoint n12:29400", "--rdzv-endpoint <host-2>:29400"),
    ("failed to connect to [n12]:29500", "failed to connect to [<host-2>]:29500"),
    ("n12:10:12 [0] NCCL INFO x", "<host-2>:10:12 [0] NCCL INFO x"),
    ("SLURM_NODELIST=n[01-04,7]", "SLURM_NODELIST=<host-2>"),
    ("at 10.1.2.3:22 and 192.168.0.9", "at <ip-1>:22 and <ip-2>"),
    ("fe80::1ff:fe23:4567:890a%eth0", "<ip-1>"),
    ("bob.b@mail.example.org,", "<email-1>,"),
    # secrets
    (f"login {KEY}", "login <secret-1>"),
    (f"{quote(SECRET, safe='')}|{quote(SECRET)}", "<secret-1>|<secret-1>"),
    (json.dumps({"x": SECRET}), '{"x": "<secret-1>"}'),
    ("pr0xypass", "<secret-1>"),
    ("SHORT_TOKEN=ab1, ab1", "SHORT_TOKEN=<secret-1>, ab1"),
    ("https://me:p@ss@h.org/x?token=abc&x=1", "https://<secret-1>@h.org/x?token=<secret-2>&x=1"),
    (r"password='it\'s' x", "password='<secret-1>' x"),
    ("dict(api_key=abc, lr=0.1)", "dict(api_key=<secret-1>, lr=0.1)"),
    ("token=abc,lr=0.1", "token=<secret-1>,lr=0.1"),
    ("--api-key XYZ --lr 1", "--api-key <secret-1> --lr 1"),
    ('["--api-key", "XYZ", "--lr"]', '["--api-key", "<secret-1>", "--lr"]'),
    ("--password=XYZ", "--password=<secret-1>"),
    (r'{"text": "password=\"abc\" ok"}', r'{"text": "password=\"<secret-1>\" ok"}'),
    ("cfg['token'] = 'xyz'", "cfg['token'] = '<secret-1>'"),
    ("Authorization: token abc def", "Authorization: <secret-1>"),
    ("Bearer abcdefgh", "Bearer <secret-1>"),
    ("Basic dXNlcjpwYXNz", "Basic <secret-1>"),
    ("ghp_" + "a1" * 18, "<secret-1>"),
    ("github_pat_" + "a1" * 18, "<secret-1>"),
    ("hf_" + "aB" * 17, "<secret-1>"),
    ("sk-proj-" + "a1" * 12, "<secret-1>"),
    ("AKIA" + "A1" * 8, "<secret-1>"),
    ("xoxb-123456789012-abc", "<secret-1>"),
    ("glpat-" + "a1" * 10, "<secret-1>"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "<secret-1>"),
    ("ssh-ed25519 " + "A" * 68 + " x", "ssh-ed25519 <secret-1> x"),
    ("wandb: key " + "ab" * 20, "wandb: key <secret-1>"),
    (
        "a\n-----BEGIN RSA PRIVATE KEY-----\nMII/+=\nx\n-----END RSA PRIVATE KEY-----\nb",
        "a\n<secret-1>\nb",
    ),
    ("loss: 1\nMIIabc/=\nMIIx\n-----END PRIVATE KEY-----", "loss: 1\n<secret-1>"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_what_must_not_be_seen(redactor, text, expected) -> None:
    assert redactor.text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024/01/01 10:20:30 - mmengine - INFO - Epoch(train) [3][120/200]  lr: 2.5e-03  "
        "eta: 0:10:00  loss_macl: 0.41  grad_norm: 3.2",
        "/opt/conda/lib/python3.11/site-packages/torch/utils/data/dataloader.py:1131",
        "work_dirs/home/demo/epoch_3.pth data/home/living/1.jpg ./x ~/y",
        "opencv-python 4.9.0.80, nvidia-cudnn-cu12==8.9.2.26, torch 2.13.0.1, NCCL version 2.18.1",
        "127.0.0.1 0.0.0.0:6006 localhost:6006 [::]:29500 ::1 --host localhost",
        "max_tokens=256 cls_token=True token=None token_mixer=dict(type='x') key='loss' author: x",
        "TOKENIZERS_PARALLELISM=disabled wayland auth=dict(type='x') session: 12 password=",
        "std::vector ::add 12:30:45 00000000:65:00.0 0x7fa0 pid 4711",
        "MMDetection: 3.3.0+cfd5d3a, commit cfd5d3a985b0249de009b67d04f37263e11cdf3d",
        "xaliceb malice task-specific-optimizer-settings forward pass: 0.3 Basic Information",
        "git@github.com:open-mmlab/mmdetection.git /Users/Shared/x",
        "",
    ],
)
def test_what_tells_of_the_training_stays(redactor, text) -> None:
    assert redactor.text(text) == text
    assert redactor.legend() == {}


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_a_secret_within_base64(redactor, before) -> None:
    coded = base64.b64encode((before + SECRET + "!").encode()).decode()
    cleaned = redactor.text(f"x {coded} y")
    assert "<secret-1>" in cleaned
    assert len(cleaned.replace("<secret-1>", "")) < len(before) * 2 + 14


def test_the_same_is_the_same_everywhere(redactor) -> None:
    first = redactor.text("10.0.0.9 /home/bob 10.0.0.7")
    assert redactor.text("10.0.0.7 /home/bob") == "<ip-2> <home-2>"
    assert first == "<ip-1> <home-2> <ip-2>"
    assert redactor.legend() == {"home": 1, "ip": 2}


@pytest.mark.parametrize("name", ["root", "ubuntu", "train", "7"])
def test_a_name_of_nobody_is_no_word_to_look_for(name) -> None:
    redactor = Redactor.of_machine({"USER": name}, name, f"/home/{name}", "localhost")
    text = f"data_{name} {name} {name}_x localhost"
    assert redactor.text(text) == text
    assert redactor.text(f"/home/{name}/x") == "<home-1>/x"


def test_names_that_no_blank_sets_off() -> None:
    redactor = Redactor.of_machine({}, "张三", r"C:\Users\张三", "PC")
    assert redactor.text(r"用户张三的 c:\users\张三\a.py") == r"用户<user-1>的 <home-1>\a.py"


# --- documents -------------------------------------------------------------------------------


def test_documents(redactor) -> None:
    document = {
        "path": PurePosixPath("/home/alice/x"),
        "/home/alice/key": [1, 2.5, None, True, ("alice",)],
        "variables": {"HF_TOKEN": "abc", "MASTER_ADDR": "n12", "PORT": "29500"},
        "password": 123456,
        "max_tokens": 256,
        "versions": {"cuda": "12.4.127.1", "own": "/home/alice"},
        "command": ["train.py", "--api-key", "abc", "--lr", "0.1"],
        "changes": [{"key": "train_dataloader.num_workers", "before": 2}],
    }
    assert redactor.document(document) == {
        "path": "<home-1>/x",
        "<home-1>/key": [1, 2.5, None, True, ("<user-1>",)],
        "variables": {"HF_TOKEN": "<secret-1>", "MASTER_ADDR": "<host-2>", "PORT": "29500"},
        "password": "<secret-2>",
        "max_tokens": 256,
        "versions": {"cuda": "12.4.127.1", "own": "<home-1>"},
        "command": ["train.py", "--api-key", "<secret-1>", "--lr", "0.1"],
        "changes": [{"key": "train_dataloader.num_workers", "before": 2}],
    }


def test_a_key_that_was_printed_line_by_line(redactor) -> None:
    lines = ["a", "-----BEGIN PRIVATE KEY-----", "MIIEv", "-----END PRIVATE KEY-----", "b"]
    assert redactor.document({"log_tail": lines})["log_tail"] == ["a", "<secret-1>", "b"]


def test_two_names_of_one_user_stay_two_entries(redactor) -> None:
    assert redactor.document({"alice": 1, "ALICE": 2}) == {"<user-1>": 1, "<user-1>'": 2}


def test_a_document_without_an_end(redactor) -> None:
    endless: list[object] = ["alice"]
    endless.append(endless)
    assert "alice" not in json.dumps(redactor.document(endless))


# --- whatever surrounds it -------------------------------------------------------------------

PLANTED = {
    "secret": SECRET,
    "key": KEY,
    "home": "/home/alice",
    "other home": "/home/zebedee",
    "user": "alice",
}
ANYTHING = st.text(max_size=40) | st.text("<>/\\\"'=:. @-%[](),abcde123\n", max_size=40)
NO_LETTER = st.text(" \t\n/\\\"'=:,;.@()[]{}<>|-_+*%", max_size=20)


def of_machine() -> Redactor:
    return Redactor.of_machine(ENVIRON, "alice", "/home/alice", "gpu01.lab.example.org")


@given(before=ANYTHING, after=ANYTHING, name=st.sampled_from(["secret", "key"]))
@example(before='password="', after="", name="secret")
@example(before="token=", after=",x=1", name="key")
def test_a_known_secret_never_survives(before, after, name) -> None:
    assert PLANTED[name] not in of_machine().text(before + PLANTED[name] + after)


@given(before=NO_LETTER, after=NO_LETTER, name=st.sampled_from(["home", "user"]))
def test_a_user_never_survives(before, after, name) -> None:
    assert "alice" not in of_machine().text(before + PLANTED[name] + after)


@given(after=st.text(max_size=30), before=st.sampled_from(["", " ", "'", '"', "(", "=", "\n", ":"]))
def test_a_home_of_others_never_survives(before, after) -> None:
    assert "/home/zebedee" not in of_machine().text(before + "/home/zebedee" + after)


@given(parts=st.lists(ANYTHING | st.sampled_from(sorted({c for c, _ in CASES})), max_size=6))
def test_cleaning_twice_changes_nothing(parts) -> None:
    redactor = of_machine()
    once = redactor.text("".join(parts))
    assert redactor.text(once) == once


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=10), inner),
        max_leaves=10,
    )
)
def test_any_document_can_be_cleaned(document) -> None:
    of_machine().document(document)


@given(st.dictionaries(st.text(max_size=12) | st.just("X_TOKEN"), st.text(max_size=40)))
def test_any_environment_can_be_read(environ) -> None:
    Redactor.of_machine(environ, "\udc80x", "", "").text("x_token=1 \udc80")


# --- size ------------------------------------------------------------------------------------

LONG = 300_000
SHAPES = [
    *("a", "1", " ", "-", ".", "a@", "a.", "1.", "a:", "://", "eyJ", "token=", "token=None,"),
    *("token=dict(", "password='", 'password="\\"', "password=[", "/home/a", "\\Users\\a b ", "[a"),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "a\n-----END PRIVATE KEY-----",
        "alice ",
        "<user-1>",
        "a:1:1 ",
    ),
    *("a.lab.example.org.", "cookie: ", "0123456789abcdef", "%2F", "\\n", "Basic a", "bearer "),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_grows_with_the_length_only(shape) -> None:
    """Ten times the text may cost ten times the work of the processor, not a hundred times."""
    redactor = of_machine()

    def work(length: int) -> float:
        text = shape * (length // len(shape))
        before = time.process_time()
        redactor.text(text)
        return time.process_time() - before

    assert work(LONG) < 35 * work(LONG // 10) + 0.5


def test_a_line_of_five_megabytes(redactor) -> None:
    text = "loss: 0.1, /home/alice/x " * 100_000 + "a" * 2_600_000
    assert redactor.text(text) == text.replace("/home/alice", "<home-1>")


def test_a_log_of_many_lines(redactor) -> None:
    lines = [f"{number} loss: 0.1 /home/alice/{number}\n" for number in range(20_000)]
    assert redactor.text("".join(lines)) == "".join(lines).replace("/home/alice", "<home-1>")
