"""What is done to a training from outside, each after a handshake with its journal."""

from __future__ import annotations

import contextlib
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from tests.corpus.exercise import Scene


BUILDING = 55.0
"""Seconds for which a lock is held and then given back: longer than a proof of a deadlock takes."""


def stop_main(scene: Scene) -> None:
    """The main process is stopped."""
    os.kill(scene.iterating(), signal.SIGSTOP)


def stop_a_worker(scene: Scene) -> None:
    """A loader worker is stopped."""
    os.kill(scene.a_worker(), signal.SIGSTOP)


def kill_a_worker(scene: Scene) -> None:
    """A loader worker is killed."""
    os.kill(scene.a_worker(), signal.SIGKILL)


def kill_main(scene: Scene) -> None:
    """The main process is killed."""
    os.kill(scene.iterating(), signal.SIGKILL)


def kill_tensorboard(scene: Scene) -> None:
    """TensorBoard is killed."""
    scene.iterating()
    for process in psutil.Process(scene.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "tensorboard.main" in process.cmdline():
                process.kill()


def pause_training(scene: Scene) -> None:
    """The whole tree stands still for less than the stall timeout, as under a debugger."""
    main = psutil.Process(scene.iterating())
    _pause([main, *main.children(recursive=True)], scene.stall_timeout * 0.4)


def pause_dualwatch(scene: Scene) -> None:
    """dualwatch stands still for longer than the stall timeout."""
    scene.iterating()
    _pause([psutil.Process(scene.process.pid)], max(12.0, scene.stall_timeout * 1.2))


def pause_everything(scene: Scene) -> None:
    """dualwatch and the training stand still for longer than the stall timeout: a laptop sleeps."""
    main = psutil.Process(scene.iterating())
    everyone = [psutil.Process(scene.process.pid), main, *main.children(recursive=True)]
    _pause(everyone, max(12.0, scene.stall_timeout * 1.2))


def lose_an_earlier_run(scene: Scene) -> None:
    """A first run of this work dir is killed with its main process; a worker of it lives on."""
    worker = scene.a_worker()
    scene.wait_for_file("sign")
    started = scene.iterating()
    scene.process.kill()
    scene.process.wait()
    os.kill(started, signal.SIGKILL)
    assert psutil.pid_exists(worker)
    scene.start()


def hang_beside(scene: Scene) -> None:
    """Another training of the same machine deadlocks meanwhile, under a dualwatch of its own."""
    scene.iterating()
    scene.companion.wait_until_found()


def build_beside(scene: Scene) -> None:
    """Another process builds the extension that the training needs."""
    script = str(Path(__file__).parent / "trainings" / "faulty_waits.py")
    seconds = str(scene.stall_timeout * 3)
    words = [sys.executable, script, str(scene.work_dir / "build"), seconds]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def build_a_cache(scene: Scene) -> None:
    """Another program holds the lock of the training's cache file for a while."""
    import fcntl

    path = scene.work_dir / "cache.lock"
    scene.iterating()
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        path.with_name(f"{path.name}.taken").touch()
        scene.wait_for_file(f"{path.name}.asked")
        time.sleep(BUILDING)


def serve_half(scene: Scene) -> None:
    """A server sends half of the weights, and then nothing."""
    _serve(scene, pause=0.0, share=0.5)


def serve_slowly(scene: Scene) -> None:
    """A server sends the weights in small pieces, for longer than the stall timeout."""
    _serve(scene, pause=scene.stall_timeout * 1.6 / PIECES, share=1.0)


PIECES = 100


def _serve(scene: Scene, *, pause: float, share: float) -> None:
    """Serves weights on a port that the training reads from a file of its work dir."""
    import torch

    whole = io.BytesIO()
    torch.save({"weight": torch.rand(1000)}, whole)
    data = whole.getvalue()
    size = len(data) // PIECES + 1

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            for start in range(0, int(len(data) * share), size):
                self.wfile.write(data[start : start + size])
                time.sleep(pause)
            if share < 1:
                scene.process.wait()

        def log_message(self, format: str, *arguments: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scene.work_dir.mkdir(parents=True, exist_ok=True)
    port = scene.work_dir / "port.new"
    port.write_text(str(server.server_port), encoding="ascii")
    port.rename(scene.work_dir / "port")


def _pause(processes: list[psutil.Process], seconds: float) -> None:
    # A pause is this long by itself: there is nothing in it to wait for.
    for process in processes:
        process.suspend()
    time.sleep(seconds)
    for process in reversed(processes):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


ACTORS: dict[str, Callable[[Scene], None]] = {
    actor.__name__: actor
    for actor in (
        stop_main,
        stop_a_worker,
        build_a_cache,
        kill_a_worker,
        kill_main,
        kill_tensorboard,
        pause_training,
        pause_dualwatch,
        pause_everything,
        lose_an_earlier_run,
        hang_beside,
        build_beside,
        serve_half,
        serve_slowly,
    )
}
