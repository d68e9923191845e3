"""Small files that are written through the memory, without a system call."""

from __future__ import annotations

import errno
import mmap
import os

from dualwatch.agent import files

_NO_SUCH_CALL = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


def mapped(path: str, size: int) -> mmap.mmap:
    """Maps a file of our own, made where there is none; plain memory where the disk is full.

    Room is taken before it is mapped: the first store into a page for which there is none would
    kill the training with SIGBUS, and no handler could prevent it.

    Args:
        path: The file; what it holds is kept.
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
        files.note_error(f"making room for {os.path.basename(path)}")
        return mmap.mmap(-1, size)


def _make_room(descriptor: int, size: int) -> None:
    """Lets the file have its size, with room on the disk for all of it."""
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
