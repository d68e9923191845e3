"""The machine around a training: laid out as files of a kernel, and the real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from dualwatch.collectors.host import cgroups, container, kernel_log, sample
from dualwatch.events import HostSampled, NotObserved

from tests.support.paths import WATCHDOG

linux = pytest.mark.skipif(sys.platform != "linux", reason="what is read is in /proc")
posix = pytest.mark.skipif(os.name != "posix", reason="plays programs with scripts")

MIB = 1024**2
GIB = 1024**3
V1_NO_LIMIT = 9223372036854771712

V2_MOUNT = "30 23 0:26 {} /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate"
V1_CPU_MOUNT = "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct"
V1_MOUNT = "35 31 0:32 {} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
OTHER_MOUNTS = """\
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24684084k
33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
half a line"""

Lay = Callable[..., Path]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Lays out files below a folder that stands for the root: path -> text."""

    def put(files: dict[str, str | int]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n", encoding="utf-8")
        return tmp_path

    return put


def v2(*groups: tuple[str, str | int, int], path: str, shown: str = "/") -> dict[str, str | int]:
    """Files of version 2: (folder, limit, used) of each group, and the process's path."""
    files: dict[str, str | int] = {
        "proc/7/cgroup": f"0::{path}",
        "proc/self/mountinfo": f"{OTHER_MOUNTS}\n{V2_MOUNT.format(shown)}",
    }
    for folder, limit, used in groups:
        files[f"sys/fs/cgroup/{folder}/memory.max"] = limit
        files[f"sys/fs/cgroup/{folder}/memory.current"] = used
    return files


def v1(*groups: tuple[str, str | int, int], path: str, shown: str = "/") -> dict[str, str | int]:
    """Files of version 1, with the empty second version that systemd mounts beside it."""
    files: dict[str, str | int] = {
        "proc/7/cgroup": f"11:cpu,cpuacct:/elsewhere\n4:memory:{path}\n1:name=systemd:/\n0::/",
        "proc/self/mountinfo": f"{V2_MOUNT.format('/')}\n{OTHER_MOUNTS}\n{V1_MOUNT.format(shown)}",
    }
    for folder, limit, used in groups:
        files[f"sys/fs/cgroup/memory/{folder}/memory.limit_in_bytes"] = limit
        files[f"sys/fs/cgroup/memory/{folder}/memory.usage_in_bytes"] = used
        files[f"sys/fs/cgroup/memory/{folder}/memory.use_hierarchy"] = 1
    return files


# --- control groups ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outer", "inner", "quota"),
    [
        ("max 100000", "150000 100000", 1.5),
        ("50000 100000", "400000 100000", 0.5),
        ("max 100000", "max 100000", None),
    ],
)
def test_the_smallest_cpu_quota_of_version_2(lay: Lay, outer, inner, quota) -> None:
    lay(v2(path="/job/task"))
    root = lay(
        {
            f"sys/fs/cgroup/{place}/cpu.max": text
            for place, text in (("job", outer), ("job/task", inner))
        }
    )
    assert cgroups.cpu_quota("7", root) == quota


@pytest.mark.parametrize(("micro", "quota"), [(200000, 2.0), (-1, None)])
def test_a_cpu_quota_of_version_1(lay: Lay, micro: int, quota: float | None) -> None:
    root = lay(
        {
            "proc/7/cgroup": "11:cpu,cpuacct:/task",
            "proc/self/mountinfo": V1_CPU_MOUNT,
            "sys/fs/cgroup/cpu/task/cpu.cfs_quota_us": micro,
            "sys/fs/cgroup/cpu/task/cpu.cfs_period_us": 100000,
        }
    )
    assert cgroups.cpu_quota("7", root) == quota


def test_a_container_with_its_own_namespace(lay: Lay) -> None:
    root = lay(v2(("", 8 * GIB, 3 * GIB), path="/"))
    lay({"sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1"})
    assert cgroups.memory("7", root) == cgroups.CgroupMemory(8 * GIB, 3 * GIB, 1)


def test_cached_files_are_not_used_memory(lay: Lay) -> None:
    root = lay(v2(("job", 8 * GIB, 8 * GIB), path="/job"))
    stat = f"anon {GIB}\ninactive_file {4 * GIB}\nactive_file {2 * GIB}\nodd\nodder one"
    lay({"sys/fs/cgroup/job/memory.stat": stat})
    # A training that reads its data set fills the group with cache, and is in no danger.
    assert cgroups.memory("7", root).used == 2 * GIB


def test_the_limit_of_a_group_around_it_counts(lay: Lay) -> None:
    groups = (("pod", 4 * GIB, 2 * GIB), ("pod/box", "max", GIB), ("pod/box/in", "max", MIB))
    root = lay(v2(*groups, path="/pod/box/in"))
    lay({"sys/fs/cgroup/pod/box/in/memory.events": "oom_kill 0"})
    lay({"sys/fs/cgroup/pod/memory.events": "oom_kill 5"})
    assert cgroups.memory("7", root) == cgroups.CgroupMemory(4 * GIB, 2 * GIB, 0)


def test_the_nearest_limit_counts_which_need_not_be_the_smallest(lay: Lay) -> None:
    groups = (("slice", 64 * GIB, 63 * GIB), ("slice/job", 32 * GIB, 2 * GIB))
    assert cgroups.memory("7", lay(v2(*groups, path="/slice/job"))).limit == 64 * GIB
    # Twin: with room around it, its own limit is the nearer one.
    groups = (("slice", 64 * GIB, 3 * GIB), ("slice/job", 32 * GIB, 2 * GIB))
    assert cgroups.memory("7", lay(v2(*groups, path="/slice/job"))).limit == 32 * GIB


def test_no_limit_at_all(lay: Lay) -> None:
    root = lay(v2(("a", "max", 2 * GIB), ("a/b", "max", GIB), path="/a/b"))
    assert cgroups.memory("7", root) == cgroups.CgroupMemory(None, GIB, None)
    root = lay(v1(("a", V1_NO_LIMIT, 2 * GIB), ("a/b", V1_NO_LIMIT, GIB), path="/a/b"))
    assert cgroups.memory("7", root) == cgroups.CgroupMemory(None, GIB, None)


def test_version_1_beside_an_empty_version_2(lay: Lay) -> None:
    root = lay(v1(("", V1_NO_LIMIT, 9 * GIB), ("job", 2 * GIB, GIB), path="/job"))
    lay(
        {
            "sys/fs/cgroup/memory/job/memory.oom_control": "oom_kill_disable 0\noom_kill 3",
            "sys/fs/cgroup/memory/job/memory.stat": f"cache 5\ntotal_active_file {MIB}",
        }
    )
    assert cgroups.memory("7", root) == cgroups.CgroupMemory(2 * GIB, GIB - MIB, 3)


def test_a_container_that_sees_only_its_part_of_version_1(lay: Lay) -> None:
    # Without a namespace of its own, its path is the machine's, and its mount begins there.
    root = lay(v1(("", 2 * GIB, GIB), path="/docker/abc", shown="/docker/abc"))
    assert cgroups.memory("7", root).limit == 2 * GIB
    root = lay(v1(("in", GIB, MIB), path="/docker/abc/in", shown="/docker/abc"))
    assert cgroups.memory("7", root).limit == GIB


def test_version_1_without_hierarchy_keeps_its_limits_to_itself(lay: Lay) -> None:
    root = lay(v1(("a", GIB, MIB), ("a/b", V1_NO_LIMIT, MIB), path="/a/b"))
    assert cgroups.memory("7", root).limit == GIB
    lay({"sys/fs/cgroup/memory/a/memory.use_hierarchy": 0})
    assert cgroups.memory("7", root).limit is None


def test_a_group_that_was_removed_leaves_those_around_it(lay: Lay) -> None:
    root = lay(v2(("slice", 4 * GIB, GIB), path="/slice/gone (deleted)"))
    assert cgroups.memory("7", root).limit == 4 * GIB


def test_a_mount_with_a_blank_in_its_place(lay: Lay) -> None:
    mount = "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup rw"
    root = lay({"proc/7/cgroup": "0::/job", "proc/self/mountinfo": mount})
    lay({"my groups/job/memory.max": GIB})
    assert cgroups.memory("7", root).limit == GIB


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/../../other", "/"),  # outside of our namespace
        ("/docker/other", "/docker/abc"),  # another container's, of which we have no mount
        ("/", "/docker/abc"),
        ("no path", "/"),
    ],
)
def test_a_group_that_we_do_not_see_is_unread(lay: Lay, path: str, shown: str) -> None:
    root = lay(v2(("", GIB, MIB), path=path, shown=shown))
    assert cgroups.memory("7", root) == cgroups.CgroupMemory()


@pytest.mark.parametrize(
    "text", ["", "\n\n", "::::", "0:", "x", "4:memory", "0::/\0", "\ufffd:/:/"]
)
def test_odd_files_are_unknown(lay: Lay, text: str) -> None:
    root = lay(v2(("", GIB, MIB), path="/"))
    limits = {"sys/fs/cgroup/memory.max": text, "sys/fs/cgroup/memory.events": text}
    assert cgroups.memory("7", lay(limits)).limit is None
    assert cgroups.memory("7", lay({"proc/7/cgroup": text})).used is None
    assert cgroups.memory("7", lay({"proc/self/mountinfo": text})) == cgroups.CgroupMemory()
    assert cgroups.memory("8", root) == cgroups.CgroupMemory()


GREEDY = """
import os, sys
print("up", flush=True)
sys.stdin.readline()
child = os.fork()
if child == 0:
    bytearray(300 << 20)
    os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A group of 120 MB with one inside it; only where we may make groups."""
    outer = Path(f"/sys/fs/cgroup/memory/dualwatch-test-{os.getpid()}")
    try:
        outer.mkdir()
        (outer / "inner").mkdir()
        (outer / "memory.limit_in_bytes").write_text(str(120 * MIB))
    except OSError as error:
        with contextlib.suppress(OSError):
            outer.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    yield outer / "inner"
    (outer / "inner").rmdir()
    outer.rmdir()


@linux
def test_a_real_kill_for_memory_is_counted_and_in_the_log(small_group: Path, spawn: Any) -> None:
    main = spawn(GREEDY)
    (small_group / "cgroup.procs").write_text(str(main.pid))
    before, _ = sample.sample(small_group, main.pid, at=1.0, wall=2.0)
    assert before.cgroup_limit == 120 * MIB
    assert before.cgroup_oom_kills == 0
    main.stdin.write("\n")
    main.stdin.flush()
    assert main.stdout.readline().strip() == "9"
    after, unseen = sample.sample(small_group, main.pid, at=1.0, wall=2.0, kernel=True)
    assert after.cgroup_oom_kills == 1
    if not unseen:
        assert any(small_group.parent.name in line for line in after.kernel)
    main.kill()
    main.wait()  # before its group is removed


# --- shared memory -------------------------------------------------------------------------

SMALL_SHM = "mount -t tmpfs -o size=20m tmpfs /dev/shm && exec {} -c '{}'"
WAITER = 'import sys; print("up", flush=True); sys.stdin.readline()'


@linux
def test_shared_memory_is_that_of_the_trainings_own_mounts() -> None:
    unshare = shutil.which("unshare")
    own, _ = sample.sample(Path("/"), None, at=1.0, wall=2.0)
    if unshare is None or own.shm_total == 20 * MIB:
        pytest.skip("needs unshare, and a /dev/shm of another size")
    flags = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    process = subprocess.Popen(
        [unshare, *flags, "sh", "-c", SMALL_SHM.format(sys.executable, WAITER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "up\n":
            pytest.skip("no mount namespace can be made here")
        theirs, _ = sample.sample(Path("/"), process.pid, at=1.0, wall=2.0)
        assert theirs.shm_total == 20 * MIB
        assert theirs.shm_free == 20 * MIB
        assert own.shm_total != 20 * MIB
    finally:
        process.communicate("\n", timeout=20)


def test_no_shared_memory_is_unread(lay: Lay) -> None:
    root = lay({"proc/7/root/etc/hostname": "box"})
    seen, unseen = sample.sample(root, 7, at=1.0, wall=2.0, root=root)
    assert (seen.shm_total, seen.shm_free) == (None, None)
    assert unseen == []


@posix
def test_a_process_that_is_gone_leaves_our_own_shared_memory(lay: Lay) -> None:
    root = lay({"dev/shm/sem.mp-1": ""})
    seen, _ = sample.sample(root, 7, at=1.0, wall=2.0, root=root)
    assert seen.shm_total == shutil.disk_usage(root).total


@linux
def test_mounts_that_may_not_be_looked_at_are_said() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may look as somebody else")
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from dualwatch.collectors.host import sample as host\n"
        "host.sample(Path('/'), None, at=1, wall=2)\n"  # imports all, while it can be read
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "seen, unseen = host.sample(Path('/'), int(sys.argv[1]), at=1, wall=2)\n"
        "print(seen.shm_total, seen.container, [one.what for one in unseen])"
    )
    watchdog = str(WATCHDOG)
    done = subprocess.run(
        [sys.executable, "-c", code, str(os.getpid())],
        env={**os.environ, "PYTHONPATH": watchdog},
        capture_output=True,
        text=True,
        timeout=60,
    )
    shm, _, unseen = done.stdout.strip().split(" ", 2)
    assert shm == "None", done.stderr
    assert unseen == "['shared memory']"


# --- disk ----------------------------------------------------------------------------------


def test_the_disk_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "not" / "yet", tmp_path / "file" / "below"):
        seen, unseen = sample.sample(folder, None, at=1.0, wall=2.0)
        assert seen.disk in (str(tmp_path), str(tmp_path / "file"))
        assert seen.disk_total == shutil.disk_usage(tmp_path).total
        assert seen.disk_free is not None
        assert unseen == []


def test_a_folder_that_cannot_be_is_not_observed() -> None:
    seen, unseen = sample.sample(Path("a\0b"), None, at=1.0, wall=2.0)
    assert (seen.disk_total, seen.disk_free) == (None, None)
    assert [one.what for one in unseen] == ["disk"]


# --- limits, container, kernel log -----------------------------------------------------------


@linux
def test_the_limit_of_open_files_is_the_trainings(spawn: Any) -> None:
    main = spawn(
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (28, 64))\n"
        "print('up', flush=True)\n"
        "sys.stdin.readline()"
    )
    seen, _ = sample.sample(Path("/"), main.pid, at=1.0, wall=2.0)
    assert seen.open_files_limit == 28
    own, _ = sample.sample(Path("/"), None, at=1.0, wall=2.0)
    assert own.open_files_limit not in (28, None)


KINDS: list[tuple[str, dict[str, str | int]]] = [
    ("docker", {"proc/7/root/.dockerenv": ""}),
    ("docker", {"proc/7/cgroup": f"4:memory:/docker/{'0af' * 21}"}),
    ("docker", {"proc/7/cgroup": f"0::/system.slice/docker-{'0af' * 21}.scope"}),
    ("podman", {"proc/7/root/run/.containerenv": "engine=podman"}),
    ("podman", {"proc/7/cgroup": "0::/machine.slice/libpod-12ab.scope/container"}),
    ("podman", {"proc/7/environ": "A=b\0container=podman\0C=d"}),
    ("kubernetes", {"proc/7/cgroup": f"0::/kubepods.slice/kubepods-pod1.slice/docker-{'a' * 64}"}),
    ("kubernetes", {"proc/7/root/.dockerenv": "", "proc/7/root/run/secrets/kubernetes.io/x": ""}),
    ("kubernetes", {"proc/7/environ": "KUBERNETES_SERVICE_HOST=10.0.0.1"}),
    ("lxc", {"proc/7/cgroup": "0::/lxc.payload.box/init.scope"}),
    ("lxc", {"proc/7/environ": "container=lxc"}),
    ("apptainer", {"proc/7/root/.singularity.d/env": ""}),
    ("", {"proc/7/cgroup": "0::/user.slice/session-2.scope", "proc/7/environ": "HOME=/root"}),
    ("", {"proc/7/cgroup": "0::/system.slice/docker-compose.service"}),
    ("", {"proc/7/environ": "MY_container=lxc\0KUBERNETES=no"}),
]


@pytest.mark.parametrize(("kind", "files"), KINDS)
def test_kinds_of_container(lay: Lay, kind: str, files: dict[str, str | int]) -> None:
    root = lay({"proc/7/root/etc/hostname": "box", **files})
    text = root / "proc/7/environ"
    if text.exists():
        text.write_bytes(text.read_bytes().rstrip(b"\r\n") + b"\0")
    assert container.kind("7", root) == kind


def test_a_container_that_cannot_be_told_is_unread(lay: Lay) -> None:
    assert container.kind("7", lay({"proc/8/cgroup": "0::/"})) is None


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts shell scripts on an otherwise empty PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, code: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
        (folder / name).chmod(0o755)

    return put


@linux
def test_without_the_device_dmesg_is_asked(programs: Any, tmp_path: Path) -> None:
    programs("dmesg", "echo '[1.0] usb'; echo '[2.0] Killed process 7 (python)'")
    programs("journalctl", "echo '[3.0] Killed process 8 (python)'")
    seen, unseen = sample.sample(tmp_path, None, at=1.0, wall=2.0, kernel=True, root=tmp_path)
    assert seen.kernel == ("[2.0] Killed process 7 (python)",)
    assert unseen == []


@linux
def test_where_dmesg_is_refused_the_journal_is_asked(programs: Any, tmp_path: Path) -> None:
    programs(
        "dmesg", "echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2; exit 1"
    )
    programs("journalctl", "echo '[3.0] box kernel: NVRM: Xid (PCI:0000:3b:00): 79'")
    lines, why = kernel_log.read(tmp_path / "kmsg")
    assert lines == ("[3.0] box kernel: NVRM: Xid (PCI:0000:3b:00): 79",)
    assert why is None
    # Twin: a journal that leaves out what we may not see gives nothing, without a word.
    programs("journalctl", "")
    seen, unseen = sample.sample(tmp_path, None, at=1.0, wall=2.0, kernel=True, root=tmp_path)
    assert seen.kernel == ()
    (refusal,) = unseen
    assert refusal == NotObserved(at=1.0, wall=2.0, what="kernel log", why=refusal.why)
    for words in ("Operation not permitted", "journalctl shows us nothing", "dmesg_restrict=0"):
        assert words in refusal.why


@linux
def test_no_way_to_the_kernel_log_is_said(programs: Any, lay: Lay) -> None:
    lines, why = kernel_log.read(lay({"dev/kmsg": "no log"}) / "dev/kmsg")
    assert lines is None
    for words in ("holds no kernel log", "there is no dmesg", "there is no journalctl"):
        assert words in str(why)


@linux
def test_a_dmesg_that_hangs_is_given_up(
    programs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_log, "PATIENCE_S", 0.2)
    programs("dmesg", "while :; do :; done")
    lines, why = kernel_log.read(tmp_path / "kmsg")
    assert lines is None
    assert "dmesg did not answer within 0.2 s" in str(why)


@linux
def test_the_device_of_this_machine() -> None:
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        pytest.skip("no kernel log here")
    assert kernel_log.read()[1] is None
    raw, _ = kernel_log._from_device(Path("/dev/kmsg"))
    assert raw
    assert all(line.startswith("[") for line in raw)


# --- the real machine ----------------------------------------------------------------------


def test_this_machine(tmp_path: Path) -> None:
    sample.sample(tmp_path, os.getpid(), at=0.0, wall=0.0)
    began = time.perf_counter()
    seen, unseen = sample.sample(tmp_path, os.getpid(), at=1.0, wall=2.0)
    took = time.perf_counter() - began
    print(f"host.sample: {took * 1000:.1f} ms")
    assert isinstance(seen, HostSampled)
    assert unseen == []
    assert (seen.at, seen.wall) == (1.0, 2.0)
    assert seen.memory_total == psutil.virtual_memory().total
    assert seen.memory_available is not None
    assert 0 < seen.memory_available <= seen.memory_total
    assert seen.kernel == ()


def test_a_machine_without_proc(tmp_path: Path) -> None:
    # As macOS and Windows have none: what is not there is unknown, and nothing raises.
    seen, unseen = sample.sample(tmp_path, os.getpid(), at=1.0, wall=2.0, root=tmp_path)
    nothing = (None, None, None)
    assert (seen.cgroup_limit, seen.cgroup_used, seen.cgroup_oom_kills) == nothing
    assert (seen.shm_total, seen.shm_free, seen.container) == nothing
    assert seen.open_files_limit is None
    assert seen.disk_total is not None
    assert unseen == []


def test_the_commit_charge_is_windows_own(tmp_path: Path) -> None:
    seen, _ = sample.sample(tmp_path, None, at=0.0, wall=0.0)
    if sys.platform == "win32":
        assert seen.commit_limit is not None
        assert seen.commit_used is not None
        assert 0 < seen.commit_used <= seen.commit_limit
    else:
        assert seen.commit_limit is None
        assert seen.commit_used is None
