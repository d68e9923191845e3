"""What the error that ended a training means: the words that the libraries print."""

from __future__ import annotations

import pytest
from dualwatch.events import AttemptEnded, AttemptStarted, ErrorSeen
from dualwatch.rules.deaths.error_patterns import recognise
from dualwatch.rules.deaths.error_table import TABLE
from dualwatch.rules.registry import judge
from dualwatch.rules.thresholds import Thresholds
from dualwatch.state.snapshot import fold

KILLED = "DataLoader worker (pid 4711) is killed by signal: "
EXITED = "DataLoader worker (pid(s) 4711, 4712) exited unexpectedly"
SHM = "unable to allocate shared memory(shm) for file </torch_1_2_3>: Success (0)"

CASES = [
    ("FloatingPointError", "Loss became infinite or NaN at iteration=123!", "DW203"),
    ("FloatingPointError", "Minimum loss scale reached (0.0001).", "DW203"),
    ("RuntimeError", "Function 'MulBackward0' returned nan values in its 0th output.", "DW203"),
    ("RuntimeError", KILLED + "Killed. ", "DW301"),
    ("RuntimeError", KILLED + "Terminated. ", "DW301"),
    ("RuntimeError", KILLED + "Bus error. It is possible that ...", "DW302"),
    ("RuntimeError", SHM, "DW302"),
    ("OSError", "[Errno 24] Too many open files: '/data/1.jpg'", "DW303"),
    ("RuntimeError", "received 0 items of ancdata", "DW303"),
    # Shared memory is a file as well: what runs out is told at the end.
    (
        "RuntimeError",
        "unable to open shared memory object </torch_1>: Too many open files (24)",
        "DW303",
    ),
    (
        "RuntimeError",
        "An attempt has been made before ... finished its bootstrapping phase",
        "DW304",
    ),
    ("TypeError", "cannot pickle '_thread.lock' object", "DW304"),
    ("AttributeError", "Can't pickle local object 'main.<locals>.D'", "DW304"),
    ("OSError", "[WinError 1455] The paging file is too small", "DW304"),
    ("OSError", "[WinError 1455] \u9875\u9762\u6587\u4ef6\u592a\u5c0f", "DW304"),
    ("RuntimeError", KILLED + "Segmentation fault. ", "DW305"),
    ("RuntimeError", KILLED, "DW305"),
    ("RuntimeError", EXITED, "DW305"),
    ("RuntimeError", "DataLoader worker (pid 7) exited unexpectedly with exit code 3.", "DW305"),
    ("AttributeError", "Can't get attribute 'D' on <module '__main__' (built-in)>", "DW304"),
    ("Exception", "Cannot find valid image after 1000! Please check your image path", "DW307"),
    ("torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2 GiB", "DW401"),
    ("RuntimeError", "CUDA out of memory. Tried to allocate 2 GiB", "DW401"),
    ("RuntimeError", "CUDA error: out of memory", "DW401"),
    ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ...", "DW401"),
    ("RuntimeError", "Unable to determine the device handle for GPU 0000:01", "DW403"),
    ("RuntimeError", "CUDA error: uncorrectable ECC error encountered", "DW403"),
    ("RuntimeError", "Failed to initialize NVML: Driver/library version mismatch", "DW403"),
    ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you ...", "DW501"),
    ("OSError", "[Errno 12] Cannot allocate memory", "DW501"),
    ("MemoryError", "", "DW501"),
    ("OSError", "[Errno 28] No space left on device", "DW502"),
    ("RuntimeError", "[enforce fail] . PytorchStreamWriter failed writing file data/0", "DW502"),
    ("OSError", "[Errno 28] No space left on device: '/dev/shm/sem.x'", "DW302"),
    ("dualmacl.datasets.pairing.MissingPairError", "2 image pair(s) are ...", "DW604"),
    ("UnicodeEncodeError", "'gbk' codec can't encode character '\\u2713' in position 0", "DW503"),
    ("pickle.UnpicklingError", "Weights only load failed. This file ...", "DW605"),
    ("RuntimeError", "PytorchStreamReader failed reading zip archive", "DW605"),
    ("RuntimeError", "[c10d/gloo/pair.cc:553] Timed out waiting 1800000ms for recv", "DW118"),
    ("RuntimeError", "Watchdog caught collective operation timeout: WorkNCCL", "DW118"),
    ("KeyboardInterrupt", "", "DW609"),
    ("RuntimeError", "Cannot re-initialize CUDA in forked subprocess. To use CUDA ...", "DW309"),
    ("RuntimeError", "CUDA error: no kernel image is available for execution on ...", "DW405"),
    ("RuntimeError", "CUDA error: CUDA driver version is insufficient for CUDA runtime", "DW405"),
    ("RuntimeError", "The NVIDIA driver on your system is too old (found version 10010).", "DW405"),
    ("RuntimeError", "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", "DW405"),
    ("AssertionError", "Torch not compiled with CUDA enabled", "DW405"),
    ("RuntimeError", "Found no NVIDIA driver on your system.", "DW405"),
    ("ImportError", "libcudart.so.11.0: cannot open shared object file: No such file", "DW405"),
    ("IndexError", "Target 80 is out of bounds.", "DW308"),
    ("RuntimeError", "Class values must be smaller than num_classes.", "DW308"),
    ("OSError", "[Errno 98] Address already in use", "DW608"),
    ("RuntimeError", "... (errno: 98 - Address already in use).", "DW608"),
    ("torch.distributed.DistNetworkError", "... port: 29500, error: EADDRINUSE", "DW608"),
    ("OSError", "[WinError 10048] Only one usage of each socket address", "DW608"),
    ("RuntimeError", "can't start new thread", "DW304"),
    ("BlockingIOError", "[Errno 11] Resource temporarily unavailable", "DW304"),
    ("OSError", "[Errno 11] Resource temporarily unavailable", "DW304"),
    ("std::system_error", "Resource temporarily unavailable", "DW304"),
    ("RuntimeError", "pthread_create failed (EAGAIN)", "DW304"),
    ("RuntimeError", "... bind to pc:29500 (system error: 10048 - Normalerweise ...).", "DW608"),
    ("RuntimeError", "Triton Error [CUDA]: device kernel image is invalid", "DW405"),
    ("RuntimeError", "... PTX was compiled with an unsupported toolchain.", "DW405"),
    ("RuntimeError", "CUDA error: CUBLAS_STATUS_ARCH_MISMATCH when calling ...", "DW405"),
    # A file of HDF5 that another process has open.
    ("BlockingIOError", "[Errno 11] Unable to synchronously open file (unable to lock)", "DW606"),
    ("OSError", "[Errno 122] Disk quota exceeded: 'epoch_1.pth'", "DW502"),
    ("OSError", "[Errno 30] Read-only file system: '/data/w'", "DW502"),
    ("PermissionError", "[WinError 32] The process cannot access the file", "DW502"),
    ("UnicodeDecodeError", "'gbk' codec can't decode byte 0x99 in position 1234", "DW503"),
    ("UnicodeDecodeError", "'charmap' codec can't decode byte 0x9d in position 3", "DW503"),
    ("UnicodeDecodeError", "'utf-8' codec can't decode byte 0xff in position 0", "DW606"),
    ("_pickle.UnpicklingError", "invalid load key, '<'.", "DW605"),
    (
        "RuntimeError",
        "unexpected EOF, expected 81 more bytes. The file might be corrupted.",
        "DW605",
    ),
    ("ModuleNotFoundError", "No module named 'terminaltables'", "DW607"),
    ("ImportError", "cannot import name 'Registry' from 'mmcv.utils'", "DW607"),
    ("KeyError", "'MyHead is not in the models registry'", "DW607"),
    ("KeyError", "'\"X is not in the a::model registry. Please check ...\"'", "DW607"),
    ("ImportError", "/x/_ext.so: undefined symbol: _ZNK2at6Tensor7is_cudaEv", "DW607"),
    ("ImportError", "DLL load failed while importing _ext: The specified procedure", "DW607"),
    ("ImportError", "libGL.so.1: cannot open shared object file: No such file", "DW607"),
    ("AttributeError", "module 'numpy' has no attribute 'int'.", "DW607"),
    ("RuntimeError", "Expected to have finished reduction in the prior iteration", "DW606"),
    ("OSError", "[Errno 5] Input/output error", "DW606"),
    # The quiet twins: near, but none of these.
    (
        "ImportError",
        "cannot import name 'A' from partially initialized module 'b' (most "
        "likely due to a circular import)",
        "DW606",
    ),
    ("EOFError", "Ran out of input", "DW606"),
    ("OSError", "[Errno 22] Invalid argument", "DW606"),
    ("AttributeError", "module 'my_head' has no attribute 'int'", "DW606"),
    ("IndexError", "list index out of range", "DW606"),
    ("ValueError", "expected 4 workers, found 3", "DW606"),
    ("RuntimeError", "CUDA error: device-side assert triggered", "DW606"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'signal: Killed.jpg'", "DW603"),
    ("KeyError", "'memory'", "DW606"),
]


SPAWN = '  File "D:\\env\\lib\\multiprocessing\\spawn.py", line 126, in _main'
DUMP = '  File "D:\\env\\lib\\multiprocessing\\reduction.py", line 60, in dump'
LOAD = '  File "/x/torch/serialization.py", line 532, in _load'
LOSS = '  File "/x/models/losses/focal_loss.py", line 90, in forward'
FETCH = '  File "/x/torch/utils/data/_utils/fetch.py", line 54, in fetch'

# Messages that mean something in their place only.
BELOW = [
    ("DW304", "EOFError", "Ran out of input", SPAWN),
    ("DW304", "OSError", "[Errno 22] Invalid argument", DUMP),
    ("DW304", "BrokenPipeError", "[Errno 32] Broken pipe", DUMP),
    ("DW605", "EOFError", "Ran out of input", LOAD),
    ("DW605", "_pickle.UnpicklingError", "pickle data was truncated", LOAD),
    ("DW309", "RuntimeError", "CUDA error: initialization error", FETCH),
    ("DW309", "CUDARuntimeError", "cudaErrorInitializationError: initialization error", FETCH),
    ("DW309", "CudaAPIError", "[3] Call to cuInit results in CUDA_ERROR_NOT_INITIALIZED", FETCH),
    ("DW308", "IndexError", "index 20 is out of bounds for dimension 0 with size 20", LOSS),
    ("DW308", "RuntimeError", "index 81 is out of bounds for dimension 1 with size 80", LOSS),
]


@pytest.mark.parametrize(("code", "exception", "message", "line"), BELOW)
def test_an_error_means_what_its_place_says(code, exception, message, line):
    assert recognise(error(exception, message, excerpt=(line,))).code == code
    assert recognise(error(exception, message)).code == "DW606"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("[Errno 11] Resource temporarily unavailable", '  File "/x/cache.py", line 3, in flock'),
        ("[Errno 11] Resource temporarily unavailable", '  File "/x/log.py", line 3, in write'),
    ],
)
def test_a_lock_or_a_pipe_is_no_limit_of_processes(message, line):
    assert recognise(error("BlockingIOError", message, excerpt=(line,))).code == "DW606"


def test_an_index_of_the_dataset_is_no_label():
    message = "index 5 is out of bounds for dimension 0 with size 3"
    lines = (LOSS, FETCH)
    assert recognise(error("IndexError", message, excerpt=lines)).code != "DW308"


def died(error: ErrorSeen, code: int = 1) -> list[str]:
    started = AttemptStarted(
        at=0.0, wall=0.0, attempt=0, pid=1, create_time=0.0, command=(), overrides={}
    )
    ended = AttemptEnded(at=9.0, wall=9.0, attempt=0, exit_code=code, signal=None)
    findings = judge(fold([started, error, ended]), Thresholds())
    return [finding.code for finding in findings]


def error(exception: str, message: str, **more: object) -> ErrorSeen:
    return ErrorSeen(at=5.0, wall=5.0, exception=exception, message=message, **more)


@pytest.mark.parametrize(("exception", "message", "code"), CASES)
def test_the_error_is_recognised(exception, message, code):
    assert died(error(exception, message)) == [code]


@pytest.mark.parametrize(("exception", "message", "code"), CASES)
def test_an_error_that_ended_nothing_is_none(exception, message, code):
    assert died(error(exception, message), code=0) == []


@pytest.mark.parametrize(
    ("exception", "message"),
    [("ConnectionResetError", "[Errno 104] Connection reset by peer"), ("EOFError", "")],
)
def test_a_worker_that_is_gone_while_its_batch_is_taken(exception, message):
    line = '  File "/x/torch/multiprocessing/reductions.py", line 538, in rebuild_storage_fd'
    assert died(error(exception, message, excerpt=(line,))) == ["DW305"]
    assert died(error(exception, message, excerpt=("  File x, line 1",))) == ["DW606"]


def test_the_first_link_of_a_chain_tells_more_than_its_end():
    assert died(error("RuntimeError", EXITED, causes=(f"RuntimeError: {KILLED}Killed.",))) == [
        "DW301"
    ]


def test_an_error_of_a_worker_is_one_of_the_dataset():
    assert died(error("ValueError", "image 17 is broken", worker=0)) == ["DW306"]


def test_an_error_while_a_checkpoint_is_read_blocks_the_resume():
    frames = (
        '  File "/v/mmengine/runner/checkpoint.py", line 347, in load_from_local',
        '  File "/v/torch/serialization.py", line 807, in __init__',
    )
    error = ErrorSeen(
        at=0, wall=0, exception="OSError", message="[Errno 22] Invalid argument", excerpt=frames
    )
    assert recognise(error).code == "DW605"


def test_an_error_below_fetch_is_one_of_the_dataset_without_workers_too():
    line = '  File "/x/torch/utils/data/_utils/fetch.py", line 54, in fetch'
    assert died(error("ValueError", "image 17 is broken", excerpt=(line,))) == ["DW306"]
    assert died(error("ValueError", "shapes differ", excerpt=("  File x, line 1",))) == ["DW606"]


@pytest.mark.parametrize(
    ("exception", "function", "code"),
    [
        ("FileNotFoundError", "full_init", "DW603"),
        ("json.decoder.JSONDecodeError", "load_data_list", "DW306"),
        ("FileNotFoundError", "load_checkpoint", "DW606"),
    ],
)
def test_an_error_while_the_dataset_is_built_is_one_of_the_data(exception, function, code):
    line = f'  File "/x/mmengine/dataset/base_dataset.py", line 307, in {function}'
    assert died(error(exception, "data/train.txt", excerpt=(line,))) == [code]


def test_an_error_below_the_reading_of_the_configuration_is_one_of_it():
    line = '  File "C:\\x\\mmengine\\config\\config.py", line 494, in fromfile'
    assert died(error("KeyError", "'_base_'", excerpt=(line,))) == ["DW602"]


def test_what_cannot_be_pickled_into_a_checkpoint_is_no_failed_worker():
    line = '  File "/x/torch/serialization.py", line 944, in save'
    assert died(error("AttributeError", "Can't pickle local object", excerpt=(line,))) == ["DW606"]


def test_every_pattern_has_a_case():
    known = {code for _, _, code in CASES} | {row[0] for row in BELOW}
    assert {row.code for row in TABLE} <= known
