"""DW118: ranks in a collective and the one that is elsewhere, beside ranks that get on."""

from __future__ import annotations

import pytest
from dualwatch.events import (
    BatchSeen,
    Circumstance,
    Frame,
    Severity,
    ThreadStack,
    UnusualBatch,
)
from dualwatch.protocol import Phase

C10D = "/v/site-packages/torch/distributed/"
REDUCES = (
    ("all_reduce", C10D + "distributed_c10d.py"),
    ("_exception_logger.<locals>.wrapper", C10D + "c10d_logger.py"),
    ("all_reduce", "/v/site-packages/mmengine/dist/dist.py"),
    ("parse_losses", "/v/site-packages/mmdet/base.py"),
    ("train_step", "/v/site-packages/mmengine/model/base.py"),
)
BARRIER = (("barrier", C10D + "distributed_c10d.py"), ("after_epoch", "/mine/hook.py"))
BACKWARD = (
    ("_engine_run_backward", "/v/site-packages/torch/autograd/graph.py"),
    ("Tensor.backward", "/v/site-packages/torch/_tensor.py"),
    ("train_step", "/mine/model.py"),
)
SAVES = (("save", "/v/site-packages/torch/serialization.py"), ("export", "/mine/hook.py"))
SECOND = 1100


def frames(functions):
    return tuple(Frame(function=f, file=file, line=1) for f, file in functions)


def thread(pid, functions):
    return ThreadStack(pid=pid, thread="MainThread", active=None, frames=frames(functions))


@pytest.fixture
def ranks(story):
    """Two ranks that stand, with their stacks; None for one that was not read."""

    def tell(first, second, *, phase=Phase.STEP, other=Phase.STEP, each=None, **sample):
        tree = {
            100: {"role": "rank", "wchan": "futex_do_wait"},
            SECOND: {"role": "rank", "wchan": "futex_do_wait", "ppid": 1},
            101: None,
            102: None,
        }
        story.trains().pulse(other, rank=1).pulse(phase)
        story.silent(300, each={**tree, **(each or {})}, **sample)
        second_stack = () if second is None else (thread(SECOND, second),)
        for _ in range(3):
            story.captured(*frames(first), workers=second_stack)
        return story

    return tell


def of(story):
    return {f.code: f for f in story.judged()}


def test_the_rank_that_is_elsewhere_is_named_with_its_place(ranks):
    found = of(ranks(REDUCES, SAVES))["DW118"]
    assert found.severity is Severity.ERROR
    assert "save (serialization.py:1) < export (hook.py:1)" in found.headline
    assert (found.rank, found.pid) == (1, SECOND)
    assert "parse_losses (base.py:1) < train_step (base.py:1)" in found.evidence[2].text


def test_a_rank_that_waits_in_its_backward_pass_waits_for_gradients(ranks):
    found = of(ranks(BACKWARD, SAVES))["DW118"]
    assert found.rank == 1
    assert found.confidence < 0.8  # No frame says that it waits for others.


def test_a_rank_that_computes_its_gradients_waits_for_nobody(ranks):
    assert "DW118" not in of(ranks(BACKWARD, SAVES, busy=(100,)))


def test_a_rank_that_has_finished(ranks):
    found = of(ranks(REDUCES, SAVES, other=Phase.FINISHED))["DW118"]
    assert (found.rank, found.pid) == (1, SECOND)
    assert "all_reduce" in found.headline


@pytest.mark.parametrize("sample", [None, {"status": "zombie", "role": "rank"}])
def test_a_rank_that_is_gone(ranks, sample):
    found = of(ranks(REDUCES, None, each={SECOND: sample}))["DW118"]
    assert (found.rank, found.pid) == (1, SECOND)
    assert "rank 1" in found.remedy


def test_ranks_in_different_collectives(ranks):
    found = of(ranks(REDUCES, BARRIER))["DW118"]
    assert found.confidence == pytest.approx(0.85)
    assert all(name in found.headline for name in ("all_reduce", "barrier"))


def test_ranks_in_one_collective_wait_for_somebody_else(ranks):
    found = of(ranks(REDUCES, REDUCES))["DW118"]
    assert "all_reduce" in found.headline
    assert found.confidence == pytest.approx(0.5)


def test_a_rank_that_could_not_be_read_is_not_said_to_be_elsewhere(ranks):
    found = of(ranks(REDUCES, None))["DW118"]
    assert found.confidence == pytest.approx(0.5)
    assert (found.rank, found.pid) == (0, 100)


@pytest.mark.parametrize(
    ("first", "second"), [(SAVES, SAVES), (BACKWARD, BACKWARD)], ids=["elsewhere", "backward"]
)
def test_ranks_that_wait_in_no_collective(ranks, first, second):
    assert "DW118" not in of(ranks(first, second))


def test_ranks_that_get_on_are_slow(ranks):
    found = of(ranks(REDUCES, SAVES, phase=Phase.METRICS, busy=(SECOND,)))
    assert set(found) == {"DW104"}


def test_a_rank_in_a_collective_is_not_stuck_in_code_of_its_own(ranks):
    assert "DW114" not in of(ranks(REDUCES, REDUCES))


def test_a_stopped_rank_is_stopped_and_nothing_else(ranks):
    stopped = {SECOND: {"status": "stopped", "role": "rank"}}
    assert set(of(ranks(REDUCES, SAVES, each=stopped))) == {"DW115"}


def test_ranks_of_a_plain_training_are_told_by_torchruns_children(new_story):
    story = new_story().started().prints(10).line(loss=1.0).prints(5).wait(4000)
    tree = {
        101: {"role": "rank", "wchan": "futex_do_wait"},
        102: {"role": "rank", "wchan": "hrtimer_nanosleep"},
    }
    for _ in range(2):
        story.wait(2.5).sample(each=tree).captured(
            *frames((("wait", "torch/distributed/run.py"),)),
            workers=(thread(101, REDUCES), thread(102, SAVES)),
        )
    found = of(story)["DW118"]
    assert found.headline.startswith("pid 101 waits in all_reduce, and pid 102 is elsewhere: save")


def test_ranks_that_torch_multiprocessing_started_are_known_by_their_stacks(new_story):
    story = new_story().started().prints(10).line(loss=1.0).prints(5).wait(4000)
    wrap = ("_wrap", "/v/site-packages/torch/multiprocessing/spawn.py")
    for _ in range(2):
        story.wait(2.5).sample(wchan="futex_do_wait").captured(
            *frames((("join", "torch/multiprocessing/spawn.py"),)),
            workers=(thread(101, (*REDUCES, wrap)), thread(102, (*SAVES, wrap))),
        )
    assert of(story)["DW118"].pid == 102


@pytest.mark.parametrize("function", ["reduce", "gather", "broadcast", "scatter"])
def test_a_function_of_the_user_with_such_a_name_is_no_collective(ranks, function):
    assert "DW118" not in of(ranks(((function, "/mine/math.py"),), SAVES))


# --- what made them differ -----------------------------------------------------------------------

BUFFERS = (
    ("_sync_buffers", "/v/site-packages/torch/nn/parallel/distributed.py"),
    ("_pre_forward", "/v/site-packages/torch/nn/parallel/distributed.py"),
    ("forward", "/v/site-packages/torch/nn/parallel/distributed.py"),
    ("validate", "/mine/train.py"),
)


def test_one_rank_validates_the_wrapped_model(ranks):
    found = of(ranks(BUFFERS, BARRIER))["DW118"]
    assert found.circumstance is Circumstance.ONE_RANK_ALONE
    assert "model.module" in found.remedy


@pytest.mark.parametrize("other", [BUFFERS, REDUCES, BACKWARD])
def test_all_ranks_train(ranks, other):
    assert of(ranks(BUFFERS, other))["DW118"].circumstance is None


def unusual(*iterations, missing=()):
    return tuple(
        UnusualBatch(iteration=n, empty=("targets[0].boxes",), missing=missing) for n in iterations
    )


def with_batches(story, first=(), second=()):
    """Each rank's record of its batches, as of before the captures."""
    for rank, seen in enumerate((first, second)):
        fields = {"rank": rank, "iteration": 1, "outline": (), "losses": (), "unusual": seen}
        story.events.insert(-4, BatchSeen(at=story.t, wall=story.t, **fields))
    return of(story)["DW118"]


@pytest.mark.parametrize("other", [SAVES, BARRIER])
def test_the_batch_of_one_rank_was_empty(ranks, other):
    found = with_batches(ranks(REDUCES, other), (), unusual(22))
    assert found.circumstance is Circumstance.DIFFERENT_BRANCHES
    assert any("rank 1 alone, in iteration 22" in line.text for line in found.evidence)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((), ()),
        (unusual(22), unusual(22)),  # of all ranks
        ((), unusual(3, 9, 14, 22)),  # the others went well
        ((), unusual(0)),  # in an earlier pass
    ],
)
def test_batches_that_explain_nothing(ranks, first, second):
    found = with_batches(ranks(REDUCES, BARRIER), first, second)
    assert found.circumstance is None
    assert not any("alone" in line.text for line in found.evidence)


def test_a_rank_that_has_finished_is_short_of_data(ranks):
    found = with_batches(ranks(REDUCES, SAVES, other=Phase.FINISHED), (), unusual(22))
    assert found.circumstance is None
