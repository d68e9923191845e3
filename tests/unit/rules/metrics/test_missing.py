"""DW211-DW213: why a required metric is missing. Three histories, three causes, three remedies."""

from __future__ import annotations

import pytest
from dualwatch.events import ConfigRead, ErrorSeen, Severity
from dualwatch.protocol import Phase
from dualwatch.rules import ranking
from dualwatch.rules.catalog import BY_CODE
from dualwatch.rules.metrics import missing
from dualwatch.rules.metrics.swallowed_errors import HARMLESS
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.repeated_errors import KEPT_REPEATS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REQUIRED = {"required": ("loss_macl",)}
PAIR = ("inputs.visible[0]: Tensor 3x512x640", "inputs.infrared[0]: Tensor 3x512x640")
SINGLE = (
    "inputs: list of 4",
    "inputs[0]: Tensor 3x512x640",
    "data_samples[0].img_path: str .../visible/1.jpg",
    "data_samples[0].flip: bool",
    "data_samples[0].gt_instances.masks: Tensor 2x512x640",
)
TOY = ("x: Tensor 4x1", "y: Tensor 4x1")
HEAD = "models/macl_head.py:88 in forward"
SHAPES = "mat1 and mat2 shapes cannot be multiplied (12x64 and 128x64)"
TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "models/macl_head.py", line 88, in forward',
    "    return self.projector(features)",
    "           ^^^^^^^^^^^^^^^^^^^^^^^^",
    f"RuntimeError: {SHAPES}",
)


def without(story, lines: int = 3, **metrics: float):
    """Training lines without the metric."""
    for number in range(lines):
        story.line(loss=1.0 - number / 100, loss_cls=0.5, **metrics)
    return story


def of_config(story, paired: bool | None):
    return story.tell(ConfigRead, path="plan_c.py", how="loaded", loaders={}, paired=paired)


def only(story, code: str):
    found = [f for f in story.judged(**REQUIRED) if f.code == code]
    assert len(found) == 1, [f.code for f in found]
    return found[0]


# --- three histories ---------------------------------------------------------------------------


def unpaired(story):
    return without(story.pulse(Phase.WAITING).saw(*SINGLE, losses=("loss", "loss_cls")))


def not_returned(story):
    return without(story.pulse(Phase.WAITING).saw(*PAIR, losses=("loss", "loss_cls")))


def swallowed(story):
    story.pulse(Phase.WAITING).saw(*PAIR, losses=("loss", "loss_cls"))
    story.complains("RuntimeError", SHAPES, where=HEAD, excerpt=TRACEBACK, told=2)
    return without(story)


def test_three_histories_of_a_missing_loss_have_three_first_causes(new_story) -> None:
    first = {}
    for history in (unpaired, not_returned, swallowed):
        found = ranking.rank(history(new_story().started()).judged(**REQUIRED))
        assert found[-1].code == "DW201", "the symptom comes last"
        assert found[0].severity is Severity.ERROR
        first[found[0].code] = found[0].remedy
    assert list(first) == ["DW211", "DW212", "DW213"]
    assert len(set(first.values())) == 3
    assert "return_modality_pair" in first["DW211"]
    assert "head" in first["DW212"]
    assert HEAD in first["DW213"]


def test_only_the_first_cause_is_left_unexplained(new_story) -> None:
    for history, code in ((unpaired, "DW211"), (not_returned, "DW212"), (swallowed, "DW213")):
        found = history(new_story().started()).judged(**REQUIRED)
        assert [f.code for f in ranking.causes(found)] == [code]


def test_nothing_is_missing_where_nothing_is_required_or_all_is_there(new_story) -> None:
    for history in (unpaired, not_returned, swallowed):
        assert history(new_story().started()).codes() == []
        assert history(new_story().started().line(loss_macl=1.0)).codes(required=("loss",)) == []


def test_one_line_is_too_early_for_causes(story) -> None:
    story.pulse(Phase.WAITING).saw(*SINGLE)
    story.complains("RuntimeError", SHAPES, where=HEAD, told=2)
    assert without(story, 1).codes(**REQUIRED) == []
    assert without(story, 1).codes(**REQUIRED) == ["DW211", "DW213", "DW201"]


# --- nothing was seen inside ---------------------------------------------------------------------


def test_a_bare_log_says_what_it_cannot_tell(story) -> None:
    (found,) = without(story).judged(**REQUIRED)
    assert found.code == "DW201"
    assert "dualwatch train" in found.evidence[-1].text


def test_a_configuration_of_one_modality_is_told_beside_it(story) -> None:
    (found,) = of_config(without(story), False).judged(**REQUIRED)
    assert found.evidence[-1].text == "the configuration names one modality only: plan_c.py"


# --- DW211 ---------------------------------------------------------------------------------------


def test_an_unpaired_batch_is_quoted(story) -> None:
    found = only(unpaired(story), "DW211")
    assert "inputs[0] of 3x512x640" in found.headline
    assert [line.text for line in found.evidence[1:]] == [SINGLE[1], SINGLE[2]]
    assert {line.source for line in found.evidence} == {"inside agent"}


@pytest.mark.parametrize(("paired", "words"), [(True, "fallback"), (False, "return_modality_pair")])
def test_the_configuration_tells_what_to_do_about_it(story, paired, words) -> None:
    found = only(of_config(unpaired(story), paired), "DW211")
    assert words in found.remedy
    assert found.evidence[-1].source == "configuration"


def test_the_rank_that_writes_the_log_is_looked_at(story) -> None:
    story.saw(*SINGLE, rank=1).saw(*PAIR, rank=0)
    assert without(story).codes(**REQUIRED) == ["DW212", "DW201"]


@pytest.mark.parametrize("name", ["loss_mask", "acc", "loss_rpn_pairwise"])
def test_a_metric_of_one_image_needs_no_pair(story, name) -> None:
    assert unpaired(story).codes(required=(name,)) == ["DW201"]


# --- DW212 ---------------------------------------------------------------------------------------


def test_what_the_model_returned_is_quoted(story) -> None:
    found = only(not_returned(story), "DW212")
    assert found.confidence == 0.9
    assert "returned: loss, loss_cls" in found.evidence[1].text


def test_where_the_pairing_cannot_be_told_it_is_said_and_less_sure(new_story) -> None:
    sure = only(not_returned(new_story()), "DW212")
    toy = only(without(new_story().saw(*TOY)), "DW212")
    told = only(of_config(without(new_story().saw(*TOY)), True), "DW212")
    assert sure.confidence > told.confidence > toy.confidence


def test_a_model_that_returns_it_is_not_blamed(story) -> None:
    story.saw(*PAIR, losses=("loss", "train/loss_macl"))
    (found,) = without(story).judged(**REQUIRED)
    assert found.code == "DW201"
    assert "log lines leave it out" in found.remedy


def test_a_model_of_which_nothing_is_known_is_not_blamed(story) -> None:
    assert without(story.saw(*PAIR, losses=())).codes(**REQUIRED) == ["DW201"]


def test_a_metric_that_the_model_returns_no_more(story) -> None:
    story.saw(*PAIR, losses=("loss", "loss_macl"))
    story.line(loss=1.0, loss_macl=0.5).saw(*PAIR, losses=("loss",))
    assert without(story).codes(**REQUIRED) == ["DW212", "DW202"]


# --- DW213 ---------------------------------------------------------------------------------------


def test_the_error_is_quoted_with_its_first_time_and_its_count(story) -> None:
    story.pulse(Phase.WAITING).wait(5)
    story.complains("RuntimeError", SHAPES, where=HEAD, excerpt=TRACEBACK, told=3)
    found = only(without(story), "DW213")
    assert found.headline.startswith(f"RuntimeError: {SHAPES} ({HEAD})")
    assert "100" in found.headline
    texts = [line.text for line in found.evidence]
    assert TRACEBACK[-1] in texts
    assert TRACEBACK[3] not in texts, "a line of carets says nothing"
    assert found.evidence[0].wall == story.events[2].wall


def test_differing_numbers_are_one_error(story) -> None:
    story.pulse(Phase.WAITING)
    for number in (3, 17):
        story.complains("RuntimeError", f"MACL: {number} pairs for 4 samples")
    assert "at least 10 times" in only(without(story), "DW213").headline


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("", "MACL loss failed: shapes differ"),
        ("", "对比损失计算错误: infrared 特征为空"),
        ("KeyError", "'infrared'"),
        ("ValueError", "no pairs in this batch"),
        ("torch.OutOfMemoryError", "while projecting for the contrastive head"),
    ],
)
def test_any_wording_that_speaks_of_the_metric(story, exception, message) -> None:
    story.pulse(Phase.WAITING).complains(exception, message)
    assert only(without(story), "DW213").confidence >= 0.6


def test_an_error_that_repeats_needs_no_word(story) -> None:
    story.pulse(Phase.WAITING).complains("IndexError", "list index out of range", told=2)
    assert only(without(story), "DW213").confidence >= 0.6


def test_before_it_can_have_repeated_it_is_possible(story) -> None:
    story.pulse(Phase.STEP, begun=0, iteration=2).complains("IndexError", "out of range")
    assert only(without(story), "DW213").confidence < 0.5


def test_what_came_once_in_many_iterations_is_no_cause(story) -> None:
    story.pulse(Phase.WAITING).complains("IndexError", "out of range")
    assert without(story.trains(30)).codes(**REQUIRED) == ["DW201"]


def test_an_error_before_the_training_began_is_no_cause(story) -> None:
    story.pulse(Phase.BUILDING).complains("ImportError", "cannot import name 'foo'")
    assert without(story.trains(5)).codes(**REQUIRED) == ["DW201"]


def test_of_several_errors_the_likeliest_is_named(story) -> None:
    story.pulse(Phase.WAITING)
    story.complains("OSError", "the cache cannot be written", told=2)
    story.complains("RuntimeError", SHAPES, where=HEAD, told=2)
    story.complains("ValueError", "cannot draw the boxes", told=2)
    assert SHAPES in only(without(story), "DW213").headline


def test_a_printed_line_may_come_late_and_a_traceback_may_not(new_story) -> None:
    """Python keeps what is printed into a file in a buffer."""
    message = f"[WARNING] Failed to compute MACL loss: {SHAPES}"
    story = without(new_story().pulse(Phase.WAITING), 4).complains("", message, told=3)
    assert without(story).codes(**REQUIRED) == ["DW213", "DW201"]


def test_a_loss_that_fails_again_and_again_where_nothing_is_required(new_story) -> None:
    message = f"[WARNING] Failed to compute xyz loss: {SHAPES}"
    story = without(new_story().pulse(Phase.WAITING)).complains("", message, told=3)
    assert without(story).codes() == ["DW213"]
    for harmless in ("loss scale reduced: overflow", "saving failed: retrying (loss.csv)"):
        story = without(new_story().pulse(Phase.WAITING)).complains("", harmless, told=3)
        assert without(story).codes() == []


def test_an_error_that_came_later_explains_nothing(story) -> None:
    without(story.pulse(Phase.WAITING), 4).complains("RuntimeError", SHAPES, where=HEAD, told=3)
    assert without(story).codes(**REQUIRED) == ["DW201"]


def test_the_error_of_a_death_is_not_swallowed(story) -> None:
    without(story.trains(40)).complains("RuntimeError", SHAPES, where=HEAD, excerpt=TRACEBACK)
    codes = story.ended(exit_code=1).codes(**REQUIRED)
    assert "DW213" not in codes
    assert "DW201" in codes


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("UserWarning", "torch.meshgrid: in an upcoming release, it will be required to pass"),
        ("FutureWarning", "`torch.cuda.amp.autocast(args...)` is deprecated"),
        ("", "libpng error: iCCP: known incorrect sRGB profile"),
        ("", 'Failed to search registry with scope "mmdet" in the "loss" registry tree'),
        ("", "Fontconfig error: Cannot load default config file"),
        ("", "findfont failed: Font family 'Arial' not found"),
        ("", "Failed to load image Python extension: libtorch_cuda_cu.so"),
        ("ImportError", "tensorboard is not installed"),
        ("NVMLError", "NVML: Driver/library version mismatch"),
        ("BrokenPipeError", "[Errno 32] Broken pipe"),
        ("", "git describe failed: not a git repository"),
        ("ConnectionError", "retrying in 5 s, loss of connection"),
    ],
)
def test_what_trainings_live_with_is_no_evidence(story, exception, message) -> None:
    story.pulse(Phase.WAITING).complains(exception, message, told=3)
    assert without(story).codes(**REQUIRED) == ["DW201"]


def test_every_harmless_line_is_a_pattern_of_its_own() -> None:
    assert len(set(HARMLESS)) == len(HARMLESS)
    assert not any(pattern == "" for pattern in HARMLESS)


def test_with_an_unpaired_batch_the_failing_loss_is_a_consequence(story) -> None:
    story.pulse(Phase.WAITING).saw(*SINGLE)
    story.complains("KeyError", "'infrared': no pair for MACL", where=HEAD, told=3)
    found = ranking.rank(without(story).judged(**REQUIRED))
    assert [f.code for f in found] == ["DW211", "DW213", "DW201"]


def test_a_flood_of_other_errors_does_not_hide_the_one_that_repeats(story) -> None:
    story.pulse(Phase.WAITING).complains("RuntimeError", SHAPES, where=HEAD, told=2)
    for number in range(3 * KEPT_REPEATS):
        story.complains("ValueError", "x" * number)
    assert len(story.snapshot.repeats) == KEPT_REPEATS
    assert SHAPES in only(without(story), "DW213").headline


# --- DW213 beside DW202 --------------------------------------------------------------------------


def test_an_error_that_began_when_the_metric_went(story) -> None:
    story.line(loss=1.0, loss_macl=0.8).line(loss=1.0, loss_macl=0.7)
    story.complains("RuntimeError", SHAPES, where=HEAD, told=2)
    found = without(story).judged(**REQUIRED)
    assert [f.code for f in found] == ["DW213", "DW202"]
    assert found[0].evidence[1].text.count("after training line 2") == 2


def test_an_error_that_was_there_while_the_metric_was_well(story) -> None:
    story.line(loss=1.0, loss_macl=0.8).complains("RuntimeError", SHAPES, where=HEAD, told=2)
    for number in range(5):
        story.line(loss=1.0, loss_macl=0.7 - number / 10)
    assert without(story).codes(**REQUIRED) == ["DW202"]


def test_an_error_that_began_when_the_log_froze(story) -> None:
    for value in (0.9, 0.8, 0.7):
        story.line(loss=value, loss_macl=value)
    story.complains("RuntimeError", SHAPES, where=HEAD, told=2)
    story.saw(*PAIR, losses=("loss",))
    assert without(story, loss_macl=0.65).codes(**REQUIRED) == ["DW212", "DW213", "DW202"]


def test_one_error_of_two_metrics_is_told_once(story) -> None:
    story.pulse(Phase.WAITING).complains("RuntimeError", SHAPES, where=HEAD, told=2)
    both = ("loss_macl", "loss_contrast", "loss_macl")
    assert without(story).codes(required=both) == ["DW213", "DW201", "DW201"]


# --- any events -----------------------------------------------------------------------------------

NUMBERS = st.floats() | st.integers(-(10**18), 10**18).map(float)
TEXTS = st.sampled_from(["loss_macl", "MACL", "Error", "a\nb", ""]) | st.text(max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("line"), st.dictionaries(TEXTS, NUMBERS, max_size=3)),
            st.tuples(st.just("error"), st.tuples(TEXTS, TEXTS, TEXTS)),
            st.tuples(st.just("batch"), st.tuples(st.lists(TEXTS, max_size=3), TEXTS)),
            st.tuples(st.just("config"), st.sampled_from([True, False, None])),
            st.tuples(st.just("ended"), st.sampled_from([None, 0, 1])),
        ),
        max_size=12,
    ),
    st.lists(TEXTS, max_size=2),
)
def test_no_history_makes_the_rule_raise(new_story, events, required) -> None:
    story = new_story()
    for kind, value in events:
        if kind == "line":
            story.line(**value)
        elif kind == "error":
            exception, message, where = value
            story.tell(
                ErrorSeen, exception=exception, message=message, where=where, excerpt=(message,)
            )
        elif kind == "batch":
            story.saw(*value[0], losses=(value[1],))
        elif kind == "config":
            of_config(story, value)
        else:
            story.ended(exit_code=value)
    found = list(missing.find(story.snapshot, Thresholds(required=tuple(required))))
    assert all(f.code in BY_CODE and f.evidence and 0 < f.confidence <= 1 for f in found)
    assert "DW001" not in story.codes(required=tuple(required))
