"""What stacks mean; those of torch and multiprocessing are as py-spy 0.4 shows them."""

from __future__ import annotations

import pytest
from dualwatch.events import Frame
from dualwatch.protocol import Phase
from dualwatch.rules.stalls import stack_patterns, waits
from msgspec import structs


def stack(text: str) -> tuple[Frame, ...]:
    """Frames of lines like ``function (file:1)``, innermost first."""
    made = []
    for line in text.strip().splitlines():
        function, _, place = line.strip().rpartition(" (")
        file, _, number = place.rstrip(")").rpartition(":")
        made.append(Frame(function=function, file=file, line=int(number)))
    return tuple(made)


FORKED_WORKER = stack("""
    SemLock.__enter__ (multiprocessing/synchronize.py:95)
    D.__getitem__ (train.py:20)
    _MapDatasetFetcher.fetch.<locals>.<listcomp> (torch/utils/data/_utils/fetch.py:54)
    _MapDatasetFetcher.fetch (torch/utils/data/_utils/fetch.py:54)
    _worker_loop (torch/utils/data/_utils/worker.py:374)
    BaseProcess.run (multiprocessing/process.py:108)
    BaseProcess._bootstrap (multiprocessing/process.py:314)
    Popen._launch (multiprocessing/popen_fork.py:71)
    _MultiProcessingDataLoaderIter.__init__ (torch/utils/data/dataloader.py:1176)
    DataLoader._get_iterator (torch/utils/data/dataloader.py:438)
    EpochBasedTrainLoop.run_epoch (mmengine/runner/loops.py:115)
    Runner.train (mmengine/runner/runner.py:1777)
""")

WAITING = """
    _PollLikeSelector.select (selectors.py:415)
    Queue.get (multiprocessing/queues.py:113)
    _MultiProcessingDataLoaderIter._try_get_data (torch/utils/data/dataloader.py:1291)
    _MultiProcessingDataLoaderIter._get_data (torch/utils/data/dataloader.py:1464)
    _MultiProcessingDataLoaderIter._next_data (torch/utils/data/dataloader.py:1505)
    _BaseDataLoaderIter.__next__ (torch/utils/data/dataloader.py:725)
"""

SAMPLER = """
    main.<locals>.S.__iter__ (train.py:44)
    BatchSampler.__iter__ (torch/utils/data/sampler.py:341)
    _BaseDataLoaderIter._next_index (torch/utils/data/dataloader.py:715)
    _MultiProcessingDataLoaderIter._try_put_index (torch/utils/data/dataloader.py:1539)
    _MultiProcessingDataLoaderIter._reset (torch/utils/data/dataloader.py:1276)
    DataLoader._get_iterator (torch/utils/data/dataloader.py:438)
"""


def test_a_forked_worker_is_cut_where_its_own_frames_end() -> None:
    assert stack_patterns.own(FORKED_WORKER)[-1].function == "_worker_loop"
    assert stack_patterns.fetches(FORKED_WORKER)
    assert stack_patterns.is_forked(FORKED_WORKER)
    assert not stack_patterns.starts_a_worker(FORKED_WORKER)
    assert stack_patterns.dataset_place(FORKED_WORKER) == (
        "SemLock.__enter__ (synchronize.py:95) < D.__getitem__ (train.py:20)"
    )


def test_a_worker_that_was_forked_amid_a_fetch_of_its_parent_waits_for_work() -> None:
    idle = stack("""
        Queue.get (multiprocessing/queues.py:113)
        _worker_loop (torch/utils/data/_utils/worker.py:334)
        _SomeFetcher.fetch (torch/utils/data/_utils/fetch.py:54)
    """)
    assert not stack_patterns.fetches(idle)


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        (WAITING, Phase.WAITING),
        (WAITING + "EpochBasedTrainLoop.run_epoch (mmengine/runner/loops.py:115)", Phase.WAITING),
        (WAITING + "run_epoch (mmengine/runner/loops.py:115)", Phase.WAITING),
        (WAITING + "IterBasedTrainLoop.run (mmengine/runner/loops.py:280)", Phase.WAITING),
        (WAITING + "ValLoop.run (mmengine/runner/loops.py:370)", Phase.VAL_WAITING),
        (WAITING + "TestLoop.run (mmengine/runner/loops.py:450)", Phase.VAL_WAITING),
        (
            WAITING
            + """run (mmengine/runner/loops.py:370)
            run (mmengine/runner/loops.py:102)
            train (mmengine/runner/runner.py:1777)""",
            Phase.VAL_WAITING,
        ),
        (
            WAITING
            + """run (mmengine/runner/loops.py:280)
            train (mmengine/runner/runner.py:1777)""",
            Phase.WAITING,
        ),
        (SAMPLER, Phase.WAITING),
        (SAMPLER + "ValLoop.run (mmengine/runner/loops.py:370)", Phase.VAL_WAITING),
        ("x (a.py:1)\nXML.load_data_list (xml.py:2)\nfull_init (b.py:1)", Phase.BUILDING_DATA),
        ("c (a.py:1)\nBaseModel.train_step (base_model.py:114)", Phase.STEP),
        ("c (a.py:1)\nOptimWrapper.backward (optimizer_wrapper.py:1)", Phase.STEP),
        ("c (a.py:1)\nBaseModel.val_step (m.py:1)\nValLoop.run (loops.py:1)", Phase.VAL_STEP),
        ("c (a.py:1)\nCocoMetric.compute_metrics (coco_metric.py:1)", Phase.METRICS),
        ("c (a.py:1)\nEvaluator.evaluate (mmengine/evaluator/evaluator.py:1)", Phase.METRICS),
        ("w (a.py:1)\nCheckpointHook._save_checkpoint (checkpoint_hook.py:1)", Phase.SAVING),
        ("l (a.py:1)\nload_checkpoint (checkpoint.py:1)", Phase.LOADING),
        ("evaluate (mine/formula.py:1)", None),
        ("loop (mine.py:1)", None),
        ("", None),
    ],
)
def test_the_phase_that_a_stack_shows(text, phase) -> None:
    assert stack_patterns.phase_of(stack(text)) == phase


def test_only_a_spawned_child_before_its_loop_is_starting() -> None:
    early = "_main (multiprocessing/spawn.py:132)\nspawn_main (multiprocessing/spawn.py:122)"
    assert stack_patterns.is_starting(stack(early))
    assert not stack_patterns.is_starting(stack("_worker_loop (worker.py:1)\n" + early))
    assert not stack_patterns.is_starting(stack("BaseProcess._bootstrap (process.py:1)\n" + early))
    assert not stack_patterns.is_starting(FORKED_WORKER)


OF_FRAMES = (
    *(stack_patterns.own, stack_patterns.fetches, stack_patterns.dataset_frames),
    *(stack_patterns.dataset_place, stack_patterns.is_forked, waits.calls_a_lock, waits.of),
    *(stack_patterns.library, stack_patterns.waits_for_batch, stack_patterns.asks_sampler),
    *(stack_patterns.phase_of, stack_patterns.builds_data, stack_patterns.part_of_step),
    *(stack_patterns.starts_a_worker, stack_patterns.is_starting, stack_patterns.caller_of_pool),
    *(stack_patterns.own_of_pool, stack_patterns.waits_for_a_task, stack_patterns.collective),
)
"""What takes the frames of one thread."""

COLLECT = """
    tensor (torch/_tensor.py:7)
    pin (torch/utils/data/_utils/pin_memory.py:3)
    default_collate (torch/utils/data/_utils/collate.py:120)
    _MapDatasetFetcher.fetch (torch/utils/data/_utils/fetch.py:54)
    _worker_loop (torch/utils/data/_utils/worker.py:374)
"""
POOL = """
    Condition.wait (threading.py:320)
    ApplyResult.get (multiprocessing/pool.py:768)
    Pool.starmap (multiprocessing/pool.py:375)
    eval_map (mmdet/evaluation/mean_ap.py:500)
"""
SPAWNING = (
    "dump (multiprocessing/reduction.py:60)\n_launch (multiprocessing/popen_spawn_win32.py:95)"
)


@pytest.mark.parametrize("judge", OF_FRAMES, ids=lambda judge: judge.__name__)
@pytest.mark.parametrize(
    "frames",
    [
        FORKED_WORKER,
        *map(stack, (WAITING, SAMPLER, COLLECT, POOL, SPAWNING)),
        stack(WAITING + "ValLoop.run (mmengine/runner/loops.py:370)"),
        stack("c (a.py:1)\nEvaluator.evaluate (mmengine/evaluator/evaluator.py:1)"),
        stack("step (/v/site-packages/torch/optim/adamw.py:1)"),
        stack("resize (-packages/cv2/__init__.py:1)" + COLLECT),
        stack("all_reduce (torch/distributed/distributed_c10d.py:1)\nf (a.py:1)"),
        stack("_main (multiprocessing/spawn.py:132)\nspawn_main (multiprocessing/spawn.py:122)"),
        stack("get (queues.py:1)\nworker (multiprocessing/pool.py:114)"),
        (),
    ],
)
def test_windows_paths_are_read_alike(judge, frames) -> None:
    def there(frame: Frame) -> Frame:
        return structs.replace(frame, file=frame.file.replace("/", "\\"))

    seen = judge(tuple(map(there, frames)))
    here = judge(frames)
    if isinstance(here, stack_patterns.Collective):
        here = here._replace(caller=tuple(map(there, here.caller)))
    elif isinstance(here, tuple):
        here = tuple(map(there, here))
    assert seen == here


def test_the_outermost_call_of_a_collective_is_what_the_training_asked_for() -> None:
    inside = stack("""
        all_reduce (/v/site-packages/torch/distributed/distributed_c10d.py:3252)
        wrapper (/v/site-packages/torch/distributed/c10d_logger.py:83)
        all_reduce_dict (/v/site-packages/mmengine/dist/dist.py:700)
        parse_losses (mine.py:3)
    """)
    found = stack_patterns.collective(inside)
    assert found is not None
    assert found.operation == "all_reduce_dict"
    assert [frame.function for frame in found.caller] == ["parse_losses"]
