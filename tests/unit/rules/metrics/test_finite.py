"""DW203: since when, until when, and what is lost; and what is sound although it holds a NaN."""

from __future__ import annotations

import math

import pytest
from dualwatch.events import LinesScreened, LogMilestone, NonFiniteSeen, NonFiniteTerm, Severity
from dualwatch.protocol import Phase

NAN, INF = math.nan, math.inf


def saves(story, epoch: int):
    return story.tell(
        LogMilestone,
        name="checkpoint-saving",
        text=f"Saving checkpoint at {epoch} epochs",
        epochs=epoch,
        file=f"epoch_{epoch}.pth",
    )


def texts(found) -> str:
    return "\n".join(one.text for one in found.evidence)


@pytest.mark.parametrize(
    ("metrics", "fires"),
    [
        ({"loss": NAN}, True),
        ({"loss": 1.0, "loss_macl": INF}, True),
        ({"train__loss": -INF}, True),
        ({"loss": 1.0, "grad_norm": INF}, False),
        ({"loss": 1.0, "grad_norm": 35.0}, False),
        ({"loss": 1.0, "acc": NAN}, False),
        ({"lr": NAN, "loss": 1e30}, False),
    ],
    ids=str,
)
def test_losses_and_the_gradient_must_be_numbers(story, metrics, fires) -> None:
    story.line(**metrics)
    found = story.judged()
    assert [f.code for f in found] == (["DW203"] if fires else [])
    if fires:
        assert "epoch 1, iteration 10/200" in found[0].headline


def test_one_that_stays_has_a_beginning_and_a_checkpoint_before_it(story) -> None:
    story.line(loss=1.0).line(loss=0.9)
    saves(story, 1).line(loss=0.8)
    for _ in range(28):
        story.line(loss=NAN, loss_cls=NAN)
    saves(story, 2).line(loss=NAN, loss_cls=NAN)
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW203", Severity.ERROR)
    assert "since epoch 1, iteration 40/200, in 29 consecutive" in found.headline
    assert "epoch_1.pth" in texts(found)
    assert "epoch_1.pth" in found.remedy
    assert "280 iterations (1.4 epochs)" in texts(found)


def test_without_a_checkpoint_none_is_named(story) -> None:
    for _ in range(3):
        story.line(loss=NAN)
    (found,) = story.judged()
    assert "no checkpoint from before it" in texts(found)


def test_one_that_lasted_and_is_over(story) -> None:
    story.line(loss=1.0)
    for _ in range(5):
        story.line(loss=NAN)
    for _ in range(9):
        story.line(loss=1.0)
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW203", Severity.ERROR)
    assert "from epoch 1, iteration 20/200 to epoch 1, iteration 60/200, in 5 " in found.headline


def test_single_ones_that_come_and_go_are_no_corrupt_model(story) -> None:
    for _ in range(6):
        story.line(loss=1.0).line(loss=1.0).line(loss=NAN)
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW203", Severity.WARNING)
    assert "in 6 of 18 log lines" in found.headline
    assert "sound" in found.remedy
    (found,) = story.line(loss=1.0).judged()
    assert found.severity is Severity.WARNING


def test_a_loss_that_the_total_does_not_contain(story) -> None:
    for _ in range(9):
        story.line(loss=1.0, loss_aux=NAN)
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW203", Severity.WARNING)
    assert "loss is finite in all of them" in found.headline


@pytest.mark.parametrize("value", [INF, NAN])
def test_single_gradients_without_end_are_steps_that_the_scaler_left_out(story, value) -> None:
    for _ in range(4):
        story.line(loss=1.0, grad_norm=value).line(loss=1.0, grad_norm=value)
        story.line(loss=1.0, grad_norm=3.0)
        assert story.codes() == []
    story.line(loss=1.0, grad_norm=value).line(loss=1.0, grad_norm=value)
    assert story.codes() == []
    (found,) = story.line(loss=1.0, grad_norm=value).judged()
    assert (found.code, found.severity) == ("DW203", Severity.WARNING)
    assert "in 3 " in found.headline
    for _ in range(9):
        story.line(loss=1.0, grad_norm=value)
    (found,) = story.judged()
    assert found.severity is Severity.ERROR


def test_a_scaler_that_looks_for_its_scale(story) -> None:
    for _ in range(12):
        story.line(loss=1.0, grad_norm=INF)
        assert story.codes() == []
    assert story.line(loss=1.0, grad_norm=5.0).codes() == []


def test_gradients_without_end_with_lines_in_between_do_not_run(story) -> None:
    for _ in range(5):
        story.line(loss=1.0, grad_norm=INF).line(loss=1.0, grad_norm=1.0)
    assert story.line(loss=1.0, grad_norm=INF).codes() == []


def test_a_run_of_hours_with_many_skipped_steps(story) -> None:
    for _ in range(30):
        for _ in range(5):
            story.line(loss=1.0, grad_norm=2.0)
        story.line(loss=1.0, grad_norm=INF).line(loss=1.0, grad_norm=INF)
    assert story.line(loss=1.0, grad_norm=2.0).judged()[0].severity is Severity.WARNING


def test_lines_without_the_metric_do_not_end_it(story) -> None:
    story.line(loss=1.0).line(loss=NAN).line(loss=NAN).line(lr=0.1).line(loss=NAN)
    assert "in 3 consecutive" in story.judged()[0].headline


def test_screened_lines_continue_what_is_before_them(story) -> None:
    story.line(loss=1.0).line(loss=NAN)
    story.tell(LinesScreened, lines=5000, non_finite=5000).line(loss=NAN)
    (found,) = story.judged()
    assert "since epoch 1, iteration 20/200, in 5002 consecutive" in found.headline
    assert story.snapshot.train_lines == 5003


def test_screened_lines_that_are_sound_end_nothing_and_count(story) -> None:
    story.line(loss=1.0).line(loss=NAN).line(loss=1.0)
    story.tell(LinesScreened, lines=700, non_finite=0).line(loss=1.0)
    (found,) = story.judged()
    assert (found.severity, "in 1 of 704 log lines" in found.headline) == (Severity.WARNING, True)


def test_screened_lines_that_come_and_go_are_counted(story) -> None:
    story.line(loss=1.0).line(loss=NAN).line(loss=1.0)
    story.tell(LinesScreened, lines=1000, non_finite=499).line(loss=1.0)
    (found,) = story.judged()
    assert (found.severity, "in 500 of 1004" in found.headline) == (Severity.WARNING, True)


def test_what_it_grew_to_before_it_was_no_number(story) -> None:
    for value in (1.0, 0.9, 0.8, 900.0, 4e6, NAN, NAN, NAN):
        story.line(loss=value)
    (found,) = story.judged()
    assert found.code == "DW203"
    assert "900" in texts(found)


@pytest.mark.parametrize(
    "name", ["loss", "train__loss", "decode.loss_ce", "d_loss", "total_loss", "kl_loss", "error"]
)
def test_what_is_called_a_loss(story, name) -> None:
    for value in (1.0, NAN, NAN, NAN):
        story.line(**{name: value})
    assert story.codes() == ["DW203"]


@pytest.mark.parametrize("name", ["acc", "glossiness", "error_free", "lr", "reward"])
def test_what_is_not(story, name) -> None:
    assert story.line(loss=1.0, **{name: NAN}).codes() == []


# --- what the agent saw ---------------------------------------------------------------------------


def term(name: str, first: int, value: str = "nan", newest: int | None = None) -> NonFiniteTerm:
    newest = first if newest is None else newest
    times = newest - first + 1
    return NonFiniteTerm(name=name, value=value, first=first, newest=newest, times=times)


def inside(
    story, *terms: NonFiniteTerm, iteration: int, running: int, weights=None, rank: int = 0, **more
):
    return story.tell(
        NonFiniteSeen,
        rank=rank,
        iteration=iteration,
        running=running,
        terms=terms,
        weights_at=terms[0].first if weights is not None else 0,
        weights=weights,
        **more,
    )


def test_the_first_iteration_and_term_are_known_before_any_line(story) -> None:
    terms = (term("grad_norm", 40, "inf"), term("loss", 41), term("loss_cls", 41))
    inside(story, *terms, iteration=41, running=1, weights=("backbone.stem", "head"))
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW203", Severity.ERROR)
    assert found.headline.startswith("loss_cls is nan at iteration 41")
    assert "backbone.stem, head" in texts(found)
    assert "grad_norm is inf at iteration 40" in texts(found)


def test_one_sample_that_left_the_weights_sound(story) -> None:
    inside(story, term("loss", 41), iteration=42, running=0, weights=())
    (found,) = story.judged()
    assert (found.code, found.severity) == ("DW203", Severity.WARNING)
    assert "sound" in found.remedy


def test_a_line_that_holds_the_mean_of_one_such_iteration(story) -> None:
    """By the log alone it would look as if it stayed so."""
    story.line(loss=1.0)
    inside(story, term("loss", 18), iteration=19, running=0, weights=())
    (found,) = story.line(loss=NAN).judged()
    assert found.severity is Severity.WARNING
    assert found.headline.startswith("loss is nan at iteration 18")
    assert "the newest log line" in texts(found)


def test_the_log_still_shows_what_follows(story) -> None:
    story.line(loss=1.0)
    saves(story, 1)
    inside(
        story, term("loss_cls", 12), term("loss", 12), iteration=12, running=1, weights=("neck",)
    )
    for _ in range(5):
        story.line(loss=NAN)
    (found,) = story.judged()
    assert found.severity is Severity.ERROR
    assert found.headline.startswith("loss_cls is nan at iteration 12")
    assert "in 5 consecutive log lines" in texts(found)
    assert "epoch_1.pth" in found.remedy


@pytest.mark.parametrize(
    ("weights", "running", "severity"),
    [
        (None, 1, Severity.WARNING),
        (None, 10, Severity.ERROR),
        ((), 9, Severity.WARNING),
        ((), 10, Severity.ERROR),
    ],
    ids=str,
)
def test_many_iterations_running_without_weights_that_are_lost(
    story, weights, running, severity
) -> None:
    newest = 40 + running
    seen = term("loss", 41, newest=newest)
    inside(story, seen, iteration=newest, running=running, weights=weights)
    (found,) = story.judged()
    assert found.severity is severity


def test_a_term_beside_a_finite_total(story) -> None:
    story.saw("img: Tensor 2x3x64x64", losses=("loss", "loss_aux"))
    seen = term("loss_aux", 1, newest=30)
    inside(story, seen, iteration=30, running=30, weights=())
    (found,) = story.judged()
    assert found.severity is Severity.WARNING
    assert "does not contain it" in found.remedy


@pytest.mark.parametrize("name", ["acc", "grad_norm"])
def test_values_that_are_no_losses(story, name) -> None:
    inside(story, term(name, 3, newest=5), iteration=5, running=3, weights=())
    assert story.codes() == []


def test_the_rank_in_which_it_came_first(story) -> None:
    story.pulse(Phase.WAITING).pulse(Phase.WAITING, rank=1)
    inside(story, term("loss", 8), iteration=8, running=1, weights=())
    inside(story, term("loss", 7), iteration=7, running=1, weights=(), rank=1)
    (found,) = story.judged()
    assert "at iteration 7 of rank 1" in found.headline


def test_the_checkpoint_from_before_it_is_named_where_that_is_known(story) -> None:
    story.line(loss=1.0)
    saves(story, 1)
    story.line(loss=1.0)
    inside(story, term("loss", 150), iteration=150, running=1, weights=("neck",))
    (found,) = story.judged()
    assert "epoch_1.pth" not in found.remedy  # It has 200 iterations: it may be from after it.
    inside(story, term("loss", 230), iteration=230, running=1, weights=("neck",))
    (found,) = story.judged()
    assert "epoch_1.pth" in found.remedy


def test_the_batch_in_which_it_began_is_named(story) -> None:
    batch = {"files": ("train/7.jpg",), "unsound": ("inputs[0]",)}
    inside(story, term("loss", 41), iteration=42, running=0, weights=(), **batch)
    (found,) = story.judged()
    assert "train/7.jpg" in texts(found)
    assert "not finite: inputs[0]" in texts(found)
