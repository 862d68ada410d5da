"""What does not fit is refused, with numbers; how much fits is read from the system's files."""

from types import SimpleNamespace

import pytest
import torch

from skactive import _memory
from skactive._memory import available_memory, check_memory

CPU = torch.device("cpu")
KIB, MIB, GIB = 2**10, 2**20, 2**30


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A system of 8 GiB, 3 of them available, without control groups."""
    monkeypatch.setattr(_memory, "_ROOT", tmp_path)
    write(
        tmp_path / "proc/meminfo",
        f"MemTotal:  {8 * MIB} kB\nMemFree: 17 kB\nMemAvailable:    {3 * MIB} kB\n"
        "SwapFree:       0 kB\nHugePages_Total:       0\n",
    )
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(text))


def test_what_fits_passes(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda device: 100)
    check_memory(100, CPU, "x", "y")


def test_what_does_not_fit_is_refused_with_numbers(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda device: 512 * MIB)
    message = (
        r"^The factor of 9 rows needs 2\.5 GiB of memory on cpu, where 512\.0 MiB are "
        r"available\. Lower budget\.$"
    )
    with pytest.raises(MemoryError, match=message):
        check_memory(2.5 * GIB, CPU, "The factor of 9 rows", "Lower budget.")


def test_nothing_is_refused_where_memory_is_unknown(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda device: None)
    check_memory(1e30, CPU, "x", "y")
    monkeypatch.undo()
    check_memory(1e30, torch.device("meta"), "x", "y")


def test_this_machine_has_some_memory():
    available = available_memory(CPU)
    assert available is None or MIB < available < 2**60
    check_memory(KIB, CPU, "x", "y")


def test_cuda_counts_what_torch_holds_unused(monkeypatch):
    fake = SimpleNamespace(
        mem_get_info=lambda device: (5 * GIB, 80 * GIB),
        memory_reserved=lambda device: 3 * GIB,
        memory_allocated=lambda device: 2 * GIB,
    )
    monkeypatch.setattr(torch, "cuda", fake)
    assert available_memory(torch.device("cuda:0")) == 6 * GIB


def test_the_system_counts_swap(root):
    assert available_memory(CPU) == 3 * GIB
    meminfo = (root / "proc/meminfo").read_text().replace("SwapFree:       0", "SwapFree: 1024")
    write(root / "proc/meminfo", meminfo)
    assert available_memory(CPU) == 3 * GIB + MIB


@pytest.mark.parametrize("text", ["", "MemAvailable:\n", "MemAvailable: many kB\n", "\xff\n"])
def test_an_unreadable_meminfo_leaves_the_total(root, monkeypatch, text):
    write(root / "proc/meminfo", text)
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(_memory.os, "sysconf", sizes.__getitem__, raising=False)
    assert available_memory(CPU) == 4_096_000


@pytest.mark.parametrize("error", [AttributeError, ValueError, OSError])
def test_no_source_means_unknown(root, monkeypatch, error):
    def sysconf(name):
        raise error

    (root / "proc/meminfo").unlink()
    monkeypatch.setattr(_memory.os, "sysconf", sysconf, raising=False)
    assert available_memory(CPU) is None


def test_control_group_version_2(root):
    write(root / "proc/self/cgroup", "0::/jobs/one\n")
    group = root / "sys/fs/cgroup/jobs/one"
    write(group / "memory.max", "max\n")
    write(group / "memory.current", 7 * GIB)
    assert available_memory(CPU) == 3 * GIB
    write(group / "memory.max", 2 * GIB)
    write(group / "memory.current", GIB + MIB)
    assert available_memory(CPU) == GIB - MIB
    write(group / "memory.stat", f"anon 3\nactive_file {2 * MIB}\ninactive_file {MIB}\n")
    assert available_memory(CPU) == GIB + 2 * MIB
    # The limit of a group around it binds as well.
    write(group.parent / "memory.max", 10 * MIB)
    write(group.parent / "memory.current", 4 * MIB)
    assert available_memory(CPU) == 6 * MIB
    write(group.parent / "memory.current", 11 * MIB)
    assert available_memory(CPU) == 0


def test_control_group_version_1(root):
    write(root / "proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/jobs/one\n0::/\n")
    group = root / "sys/fs/cgroup/memory/jobs/one"
    write(group / "memory.limit_in_bytes", 2**63 - 4096)
    write(group / "memory.usage_in_bytes", 5 * MIB)
    assert available_memory(CPU) == 3 * GIB
    write(group / "memory.limit_in_bytes", 20 * MIB)
    write(group / "memory.stat", f"active_file 7\ntotal_inactive_file {MIB}\n")
    assert available_memory(CPU) == 16 * MIB


def test_a_container_sees_the_mount_only(root):
    write(root / "proc/self/cgroup", "0::/../../host/path\n")
    write(root / "sys/fs/cgroup/memory.max", 30 * MIB)
    write(root / "sys/fs/cgroup/memory.current", 10 * MIB)
    write(root / "proc/self/cgroup", "0::/docker/unseen\n")
    assert available_memory(CPU) == 20 * MIB


@pytest.mark.parametrize("line", ["", "0", "::", "0:cpu:/", "4:memory", "0::/missing"])
def test_odd_control_groups_limit_nothing(root, line):
    write(root / "proc/self/cgroup", f"{line}\n")
    assert available_memory(CPU) == 3 * GIB
