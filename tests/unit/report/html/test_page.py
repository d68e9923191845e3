"""The page: whole, closed to the outside, and nothing that it quotes becomes a part of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from dualwatch.domains.base import Range
from dualwatch.events import Frame, Severity, StacksCaptured, ThreadStack
from dualwatch.history.reported_run import ReportedRun

pytest.importorskip("jinja2")

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- --><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31mred\x00\x07\u202egnp.exe\u2066\u200f",
    "]]></title></desc></svg><b>bold</b>",
    "javascript:alert(1)",
    "&lt;b&gt; & \udcff 中文",
)
_VOID = {"meta", "br", "img", "link", "input", "hr"}


class Outline(HTMLParser):
    """What stands on a page, and whether everything that was opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.seen}


def page_of(*runs: ReportedRun) -> str:
    from dualwatch.report.html import page

    for number, run in enumerate(runs):
        run.label = run.label or f"run {number}"
    return page.render(runs, 1_790_000_000.0)


def outline(page: str) -> Outline:
    seen = Outline(page)
    assert seen.open == []
    return seen


def words(page: str) -> str:
    return " ".join("".join(outline(page).text).split())


def check_structure(page: str) -> None:
    seen = outline(page)
    assert seen.headings.count(1) == 1
    steps = zip(seen.headings, seen.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps), seen.headings
    assert ("html", {"lang": "en"}) in seen.seen
    assert {"header", "main", "footer", "nav"} <= seen.tags
    assert not {"script", "img", "iframe", "link", "object", "form"} & seen.tags
    for tag, attributes in seen.seen:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert not {"src", "srcset", "action"} & attributes.keys()
        if "href" in attributes:
            assert attributes["href"] is not None
            assert attributes["href"].startswith("#")
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
    ids = [attributes["id"] for _, attributes in seen.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "url(" not in page
    assert "@import" not in page
    pictures = page.count('<svg role="img"') + page.count('role="img" viewBox')
    assert pictures >= page.count("<title>") - 1


def test_a_run_of_three_attempts(three_attempts):
    run = ReportedRun(limits={"loss_macl": Range(high=1.0)}).fold(three_attempts.events)
    page = page_of(run)

    check_structure(page)
    said = words(page)
    for expected in (
        "attempt 0",
        "attempt 1",
        "attempt 2",
        "loader replaced in place at iteration 10",
        "DW111 loader-deadlock",
        "dualwatch explain DW111",
        "train_dataloader.num_workers",
        "no worker can block",
        "Stack of worker 110, MainThread",
        "__getitem__ [sample 17]",
        "GPU 0 (Card)",
        "limit 1",
        "pascal_voc/mAP",
        "no permission",
        "No checklist was made for this page",
    ):
        assert expected in said, expected
    assert page.count('class="band"') == 3
    assert len(page) < 400_000


def test_nothing_outside_is_asked_for_and_no_script_may_run(three_attempts):
    page = page_of(ReportedRun().fold(three_attempts.events))

    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert policy in page
    assert not re.search(r"https?://", page)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_stays_text(script, text):
    s = script().start(config=text, script=text, command=(text,), sections={text: {text: text}})
    s.launch(0, resumed_from=text)
    s.train(1, 2, **{f"loss_{text}": 1.0, text: 2.0, "loss_macl": 0.5})
    frame = Frame(function=text, file=text, line=1)
    stack = ThreadStack(pid=110, thread=text, active=None, frames=(frame,))
    s.machine()
    s.add(StacksCaptured, stacks=(stack,), path=text)
    s.found("DW111", text, text)
    s.found("DW102", text, text)
    s.found("DW404", text, text, severity=Severity.INFO)
    s.decide("rerun").end(1, text).over(text, 1, text)
    run = ReportedRun().fold(s.events)
    run.label = run.place = text
    run.not_observed[text] = text
    run.notes.append(text)
    run.checklist = [
        dict.fromkeys(
            ("id", "stage", "title", "status", "expected", "observed", "remedy", "code"), text
        )
    ]
    plain = page_of(
        *_with_labels([ReportedRun().fold(s.events), ReportedRun().fold(s.events)], "plain")
    )

    page = page_of(run)

    check_structure(page)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", page
    )
    page.encode("utf-8")
    # One run has the elements of one run, whatever it quotes.
    assert outline(page).tags <= outline(plain).tags | {"td", "th", "table", "tr"}
    check_structure(page_of(*_with_labels([run, ReportedRun().fold(s.events)], text)))


def _with_labels(runs: Sequence[ReportedRun], label: str) -> list[ReportedRun]:
    for number, run in enumerate(runs):
        run.label = f"{label} {number}"
    return list(runs)


def test_several_runs_share_their_axes_and_are_told_apart(three_attempts, script):
    other = script().start(
        sections={"train_dataloader": {"batch_size": 8, "num_workers": 2}}, config="other.py"
    )
    other.launch(0).epoch(1, 0.7).evaluate(1, 0.5).end().over()

    page = page_of(
        *_with_labels(
            [ReportedRun().fold(three_attempts.events), ReportedRun().fold(other.events)], "run"
        )
    )

    check_structure(page)
    looks = set(re.findall(r'<path class="curve (c\d d\d)"', page))
    assert {"c0 d0", "c1 d1"} <= looks
    said = words(page)
    assert "In what the runs differ" in said
    assert re.search(r"train_dataloader.batch_size\s*4\s*8", said)
    assert re.search(r"train_dataloader.sampler.type\s*S\s*not set", said)


def test_many_runs_differ_in_colour_or_dash(script):
    from dualwatch.report.html.charts import Curve

    looks = [Curve("", number, []).look for number in range(24)]

    assert len(set(looks)) == 24


def test_a_checklist_is_shown_failures_first(three_attempts):
    run = ReportedRun().fold(three_attempts.events)
    item = {"id": "a", "stage": "startup", "title": "starts", "status": "pass", "expected": "2 m"}
    bad = {"id": "b", "title": "pairs", "status": "fail", "observed": "3 missing", "code": "DW604"}
    run.checklist = [item, bad]

    said = words(page_of(run))

    assert "1 fail, 1 pass" in said
    assert said.index("3 missing") < said.index("2 m")


def test_a_run_of_which_nothing_is_known():
    page = page_of(ReportedRun(label="nothing", supervised=False, status="unknown"))

    check_structure(page)
    said = words(page)
    assert "No metric was logged." in said
    assert "Nothing of its course is on record." in said
    assert "GPU memory was not observed" in said


def test_not_a_number_is_drawn_and_told(script):
    s = script().start().launch(0).train(1, 2, loss_macl=0.5).train(1, 4, loss_macl=float("nan"))
    s.train(1, 6, loss_macl=float("inf"))

    page = page_of(ReportedRun().fold(s.events))

    check_structure(page)
    assert "2 of 3 values are no finite number, first at epoch 0.4." in words(page)
    assert "nan" not in re.sub(r"<[^>]*>", "", page.split("</style>")[1])
    assert page.count('class="moment broken"') >= 2


def test_a_crowd_of_metrics_and_of_events_is_bounded(script):
    s = script().start().launch(0)
    for iteration in range(1, 11):
        s.train(1, iteration, **{f"loss_{n}": 1.0 for n in range(300)})
    for number in range(500):
        s.now += 1
        s.found("DW204", "metric-out-of-range", f"value {number}", Severity.WARNING)

    page = page_of(ReportedRun().fold(s.events))

    assert len(page) < 600_000
    said = words(page)
    assert "500 times" in said
    assert "more events are in the journal" in said
    assert "Without a picture" in said
