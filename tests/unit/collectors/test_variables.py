"""What is kept of the variables of a frame, and what is not."""

from __future__ import annotations

import pytest
from dualwatch.collectors.stacks import variables


def frame(filename: str, **known: str) -> dict:
    return {"filename": filename, "locals": [{"name": k, "repr": v} for k, v in known.items()]}


HUB = "/site-packages/torch/hub.py"
BUILD = "C:\\site-packages\\torch\\utils\\cpp_extension.py"


@pytest.mark.parametrize(
    ("seen", "subject"),
    [
        (frame(BUILD, build_directory='"D:/ext/nms"', name='"nms"'), "D:/ext/nms"),
        (frame(HUB, url="'https://h.org/a.pth'", dst='"/x"'), "https://h.org/a.pth"),
        (frame(HUB, url='"https://me:pw@h.org/a.pth?token=1"'), "https://h.org/a.pth"),
        (frame(HUB, url='"https://h.org/aaaaaaaaaa..."'), None),
        (frame(HUB, url="None"), None),
        (frame("/work/mine.py", url='"https://h.org/a.pth"'), None),
    ],
)
def test_a_path_or_an_address_without_secrets_is_kept(seen, subject):
    assert variables.subject(seen) == subject


def test_the_index_of_a_sample_is_kept():
    fetch = "/site-packages/torch/utils/data/_utils/fetch.py"
    assert variables.sample(frame(fetch, idx="17")) == 17
    assert variables.sample(frame(fetch, idx="[17]")) is None
    assert variables.sample(frame("/work/fetch.py", idx="17")) is None
