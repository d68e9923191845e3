"""Memory-mapped files, which are written without a system call."""

from __future__ import annotations

import errno
import mmap
import os

from dualwatch.agent import files

_NO_SUCH_CALL = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


def mapped(path: str, size: int) -> mmap.mmap:
    """Maps a file, which is created if necessary; plain memory where the disk is full.

    Disk space is allocated first: the first store into a page without any would kill the training
    with SIGBUS, and no handler could prevent it.

    Args:
        path: The file; its content is kept.
        size: Bytes of the map.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _make_room(descriptor, size)
            return mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError:
        files.note_error(f"allocating {os.path.basename(path)}")
        return mmap.mmap(-1, size)


def _make_room(descriptor: int, size: int) -> None:
    """Allocates disk space for the whole file."""
    allocate = getattr(os, "posix_fallocate", None)
    try:
        if allocate is not None:
            allocate(descriptor, 0, size)
            return
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
    missing = size - os.fstat(descriptor).st_size
    if missing > 0:
        os.lseek(descriptor, 0, os.SEEK_END)
        if os.write(descriptor, bytes(missing)) != missing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
