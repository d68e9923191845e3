"""Which error means what: a literal table over the messages that libraries print.

A row's pattern is matched against ``Kind: message`` of the error that ended the training and of the
earlier links of its chain. ``below`` must match a frame of the traceback, or a line of its source.
The first row that matches counts, so specific rows come before general ones.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dualwatch.events import Circumstance

C = Circumstance


class Row(NamedTuple):
    """One meaning of an error.

    Attributes:
        below, not_below: Patterns over the lines of the traceback.
        sure: Whether the message means this alone; else the finding is likely at most.
    """

    code: str
    pattern: re.Pattern[str]
    circumstance: Circumstance | None = None
    below: re.Pattern[str] | None = None
    not_below: re.Pattern[str] | None = None
    sure: bool = True


def _row(
    code: str,
    pattern: str,
    circumstance: Circumstance | None = None,
    *,
    below: str = "",
    not_below: str = "",
    sure: bool = True,
) -> Row:
    return Row(
        code,
        re.compile(pattern),
        circumstance,
        re.compile(below) if below else None,
        re.compile(not_below) if not_below else None,
        sure,
    )


_LOADS = (
    r"torch/serialization\.py|torch/hub\.py|load_checkpoint|load_state_dict|torch\.load\(|load_url"
)
_PICKLES = r"multiprocessing/(?:reduction|popen_spawn\w+|popen_forkserver|spawn)\.py|in _Popen\b"
_HANDED_OVER = r"in rebuild_storage_fd\b|multiprocessing/resource_sharer\.py"
_FETCHED = r"_utils/(?:worker|fetch)\.py"
_SAVES = r"torch/serialization\.py\", line \d+, in (?:save|_save|_legacy_save)|save_checkpoint"

TABLE: tuple[Row, ...] = (
    # --- ended from outside ---
    _row("DW609", r"^KeyboardInterrupt\b", C.INTERRUPTED),
    # --- weights files ---
    _row("DW605", r"Weights only load failed", C.REFUSED_CLASS),
    _row("DW605", r"invalid load key, '(?:<|\\n|\{|\\r)'", C.WEB_PAGE),
    _row("DW605", r"invalid load key, 'v'", C.LFS_POINTER),
    _row("DW605", r"invalid load key", C.NOT_A_CHECKPOINT),
    _row(
        "DW605",
        r"Attempted to read a PyTorch file with version|kMaxSupportedFileFormatVersion",
        C.NEWER_FORMAT,
    ),
    _row(
        "DW605",
        r"PytorchStreamReader failed|[Ii]nvalid magic number; corrupt|unexpected EOF, expected"
        r"|invalid hash value \(expected|failed finding central directory"
        r"|storage has wrong (?:byte )?size"
        r"|is a zip archive \(did you mean|Error\(s\) in reading the zip|unexpected pos \d+ vs",
        C.TRUNCATED,
        not_below=_SAVES,
    ),
    _row(
        "DW605",
        r"^EOFError|UnpicklingError|pickle data was truncated|BadZipFile|not a ZIP archive",
        C.TRUNCATED,
        below=_LOADS,
    ),
    _row(
        "DW605",
        r"^(?:FileNotFoundError|OSError)\b",
        C.NO_SUCH_CHECKPOINT,
        below=r"torch/serialization\.py\", line \d+, in (?:load|_open\w*|__init__)",
        not_below=_SAVES,
    ),
    # --- memory of the host ---
    _row(
        "DW501",
        r"ray\.exceptions\.OutOfMemoryError|due to the node running low on memory"
        r"|killed due to memory pressure",
    ),
    # --- memory of the GPU ---
    _row(
        "DW401",
        r"CUDA out of memory|OutOfMemoryError|HIP out of memory|CUDA error: out of memory"
        r"|CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED|(?:XPU|MPS|NPU) (?:backend )?out of memory",
    ),
    # --- the software of the GPU ---
    _row(
        "DW405",
        r"no kernel image is available|CUDA error: invalid device function"
        r"|device kernel image is invalid|CUBLAS_STATUS_ARCH_MISMATCH"
        r"|not compatible with the current PyTorch installation",
        C.NO_KERNEL_IMAGE,
    ),
    _row(
        "DW405",
        r"CUDA driver version is insufficient|NVIDIA driver on your system is too old"
        r"|forward compatibility was attempted|PTX was compiled with an unsupported toolchain",
        C.OLD_DRIVER,
    ),
    _row(
        "DW405",
        r"Found no NVIDIA driver|No CUDA GPUs are available|no CUDA-capable device",
        C.NO_DRIVER,
    ),
    _row(
        "DW405",
        r"Torch not compiled with CUDA|not compiled with (?:CUDA|GPU) (?:support|ops)"
        r"|implementation for device cuda:\d+ not found",
        C.CPU_BUILD,
    ),
    _row(
        "DW405",
        r"CUDNN_STATUS_(?:NOT_INITIALIZED|ARCH_MISMATCH|VERSION_MISMATCH|SUBLIBRARY"
        r"|EXECUTION_FAILED"
        r"|INTERNAL_ERROR|MAPPING_ERROR)|[Uu]nable to find a valid cuDNN"
        r"|cuDNN version incompatibility"
        r"|lib(?:cudnn|cudart|cublas|cusparse|nvrtc|nccl)\w*\.(?:so|dll)\S*.{0,40}"
        r"(?:cannot open shared object|not found|[Nn]o such file)|Could not load library libcudnn",
        C.CUDNN,
        sure=False,
    ),
    _row(
        "DW403",
        r"Unable to determine the device handle|fallen off the bus|GPU is lost"
        r"|CUDA error: uncorrectable (?:ECC|NVLink)|Driver/library version mismatch"
        r"|CUDA error: device (?:unavailable|lost)",
    ),
    # --- numbers ---
    _row(
        "DW203",
        r"[Ll]oss scale already at minimum|Minimum loss scale reached|[Ff]ound (?:NaN|Inf) in local"
        r"|[Ll]oss became (?:infinite|NaN)|loss returned in `training_step` is nan"
        r"|returned nan values in its \d+\w\w output|The total norm of order .* is non-finite"
        r"|(?:[Ll]oss|[Gg]radient norm) is (?:nan|NaN|inf|not finite|non-finite)",
    ),
    _row("DW203", r"^ZeroDivisionError", below=r"/apex/amp/"),
    # --- labels, forks ---
    _row("DW309", r"re-?initialize CUDA in forked subprocess"),
    _row(
        "DW309",
        r"CUDA error: initialization error|cuda runtime error \(3\)"
        r"|cudaErrorInitializationError|CUDA_ERROR_NOT_INITIALIZED",
        below=r"_utils/(?:worker|fetch)\.py",
        sure=False,
    ),
    _row(
        "DW308",
        r"^IndexError: Target -?\d+ is out of bounds"
        r"|Class values must be (?:smaller than num_classes|non-negative)"
        r"|Assertion `(?:cur_)?t(?:arget)? >= 0 && (?:cur_)?t(?:arget)? < n_classes",
    ),
    _row(
        "DW308",
        r"^(?:IndexError|RuntimeError): index -?\d+ is out of bounds for dimension \d+ with size",
        below=r"_loss\.py|/loss(?:es)?/|one_hot|scatter_\(|cross_entropy|criterion|class_weight",
        not_below=_FETCHED,
        sure=False,
    ),
    # --- several processes ---
    _row(
        "DW118",
        r"Watchdog caught collective operation timeout|\[[^\]]*gloo[^\]]*\] Timed out waiting"
        r"|Timed out after \d+ms waiting for recv|NCCL's watchdog got stuck",
    ),
    _row(
        "DW118",
        r"waiting for clients\. \d+/\d+ clients joined|RendezvousTimeoutError"
        r"|client socket has timed out after \d+\S* (?:while )?trying to connect",
        C.NEVER_JOINED,
    ),
    _row(
        "DW608",
        r"Address already in use|EADDRINUSE|(?:WinError|[Ss]ystem error:|Errno) 10048\b"
        r"|[Oo]nly one usage of each socket address|通常每个套接字地址",
    ),
    _row("DW303", r"Too many open files|received 0 items of ancdata|WinError 10055"),
    _row(
        "DW302",
        r"unable to (allocate|open|resize|mmap) shared memory|unable to write to file </torch_"
        r"|insufficient shared memory|Unexpected bus error|killed by signal: Bus error"
        r"|No space left on device: '/(?:torch_|dev/shm)",
    ),
    _row("DW304", r"finished its bootstrapping phase", C.NO_MAIN_GUARD),
    _row(
        "DW304",
        r"Can't get attribute '.+' on <module '__(?:mp_)?main__'",
        C.NO_MAIN_GUARD,
        not_below=_LOADS,
    ),
    _row("DW304", r"paging file is too small|WinError 1455|页面文件太小", C.PAGING_FILE),
    _row(
        "DW304",
        r"can't start new thread|pthread_create failed|Thread creation failed"
        r"|^std::system_error: .*Resource temporarily unavailable",
        C.PROCESS_LIMIT,
    ),
    _row(
        "DW304",
        r"^(?:BlockingIOError|OSError): \[Errno 11\] Resource temporarily",
        C.PROCESS_LIMIT,
        # The same of a lock of a file that another process holds, and of a pipe that is full.
        not_below=r"flock|lockf|lock_file|in (?:write|flush|send|recv|read|emit|acquire)\b",
    ),
    _row(
        "DW304",
        r"[Cc]an(?:'t|not) pickle|^OverflowError: cannot serialize",
        C.UNPICKLABLE,
        not_below=r"torch/serialization\.py|save_checkpoint",
    ),
    _row(
        "DW304",
        r"^OSError: \[Errno 22\]|^EOFError|UnpicklingError|pickle data was truncated"
        r"|^BrokenPipeError",
        C.UNPICKLABLE,
        below=_PICKLES,
        not_below=_HANDED_OVER,
        sure=False,
    ),
    # --- workers that were ended ---
    _row("DW305", r"killed by signal: (Segmentation fault|Aborted|Illegal|Floating|\W*$)"),
    _row("DW301", r"killed by signal: (?:Terminated|Interrupt|Hangup)", C.TERMINATED_WORKER),
    _row("DW301", r"killed by signal"),
    # --- disk and files ---
    _row("DW502", r"Disk quota exceeded|\[Errno 122\]|quota exceeded", C.QUOTA),
    _row("DW502", r"Read-only file system|\[Errno 30\]", C.READ_ONLY),
    _row(
        "DW502", r"WinError 32\]|another process has locked|另一个程序正在使用此文件", C.FILE_IN_USE
    ),
    _row(
        "DW502",
        r"No space left on device|not enough space on the disk|WinError 112|磁盘空间不足"
        r"|PytorchStreamWriter failed writing",
    ),
    _row(
        "DW606",
        r"Input/output error|\[Errno 5\]|Stale (?:NFS )?file handle|\[Errno 116\]"
        r"|Remote I/O error|Transport endpoint is not connected",
        C.INPUT_OUTPUT,
    ),
    _row(
        "DW501",
        r"can't allocate memory|not enough memory: you tried to allocate|Cannot allocate memory"
        r"|Unable to allocate .*iB|^MemoryError|Insufficient memory: Failed to allocate"
        r"|std::bad_alloc",
    ),
    # --- encodings ---
    _row("DW503", r"UnicodeEncodeError"),
    _row(
        "DW503",
        r"UnicodeDecodeError: '(?:gbk|gb2312|gb18030|cp\d+|charmap|ascii|big5|shift_jis|euc_kr)'",
        C.FILE_READ,
    ),
    _row("DW305", r"worker \(pid(?:\(s\))?[ \d,]+\) exited unexpectedly"),
    _row("DW604", r"MissingPairError"),
    # --- data that is not there ---
    _row(
        "DW603",
        r"Couldn't find any class folder|Found no valid file for the classes"
        r"|images not found .{0,20}missing path|[Nn]o (?:labels|images) found in"
        r"|[Ff]ound 0 (?:files|images) in|num_samples should be a positive integer value, but got"
        r" num_samples=0|DatasetNotFoundError",
    ),
    # --- code that is not there or does not fit ---
    _row(
        "DW607",
        r"undefined symbol|DLL load failed|symbol not found in flat namespace"
        r"|\.so: (?:cannot open shared object file|invalid ELF header)|_ext\b.*(?:找不到|cannot)"
        r"|No module named '[\w.]*\._ext'|INTERNAL ASSERT FAILED.*torch library.*[Oo]nly a single"
        r"|^AttributeError: module '[\w.]*_ext' has no attribute",
        C.EXTENSION,
    ),
    _row(
        "DW607",
        r"\w+\.so(?:\.\d+)*: (?:cannot open shared object|version `)|version `GLIBC"
        r"|GLIBCXX_\S+' not found",
        C.SYSTEM_LIBRARY,
    ),
    _row(
        "DW607",
        r"numpy\.\w+ size changed|compiled using NumPy 1\.x cannot be run"
        r"|^AttributeError: module 'numpy' has no attribute"
        r"|is used but incompatible|incompatible\. Please install|requires? \S+ ?[<>=]=?\S+ but"
        r"|^ImportError: cannot import name (?!.*circular import)",
        C.VERSION,
    ),
    _row(
        "DW607",
        r"Cannot find a working triton|TritonMissing"
        r"|^ModuleNotFoundError|^ImportError: (?:No module named|Failed to import"
        r"|attempted relative)",
        C.NO_MODULE,
    ),
    _row("DW607", r"is not in the .{1,80} registry", C.NOT_REGISTERED),
    # --- errors of its own, with a remedy that is known ---
    _row(
        "DW606",
        r"Expected to have finished reduction in the prior iteration"
        r"|Expected to mark a variable ready only once",
        C.UNUSED_PARAMETERS,
    ),
    _row("DW606", r"OMP: Error #15", C.DUPLICATE_OPENMP),
    _row("DW606", r"device-side assert triggered", C.DEVICE_ASSERT),
    _row(
        "DW606",
        r"^Fatal Python error: (?:Segmentation|Bus|Aborted|Illegal)"
        r"|an illegal memory access was encountered|misaligned address",
        C.NATIVE_CRASH,
    ),
)

NON_FINITE = re.compile(
    r"\b[Nn]a[Nn]s?\b|\b[Ii]nf(?:inity|inite)?\b|non-?finite|not finite|invalid numeric entries"
    r"|cost matrix is infeasible|input_val >= zero|`?input >= 0"
    r"|all elements of input should be between"
    r"|CUDA error|out of bounds|singular|did not converge"
)
"""Errors that numbers which are not finite lead to."""
