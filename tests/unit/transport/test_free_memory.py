"""Free memory: the smallest of what the machine and every control group around this process leave."""

from pathlib import Path

import pytest

from penstock.transport.free_memory import free_bytes


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 4000 kB\nMemAvailable:    2000 kB\n")
    groups.mkdir()
    return proc, groups


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_this_machine_has_some() -> None:
    assert 0 < free_bytes() < 1 << 62


def test_the_machine_is_a_limit(tables: tuple[Path, Path]) -> None:
    assert free_bytes(*tables) == 2000 * 1024


def test_every_group_around_this_process_is_a_limit(tables: tuple[Path, Path]) -> None:
    proc, groups = tables
    (proc / "self" / "cgroup").write_text("0::/outer/inner\n")
    _write(groups / "outer", memory__max="1000000", memory__current="400000")
    _write(groups / "outer" / "inner", memory__max="max", memory__current="300000")
    assert free_bytes(*tables) == 600_000


def test_files_read_long_ago_are_given_back_before_anything_is_refused(tables: tuple[Path, Path]) -> None:
    proc, groups = tables
    (proc / "self" / "cgroup").write_text("0::/\n")
    _write(groups, memory__max="1000000", memory__current="900000", memory__stat="active_file 5\ninactive_file 300000")
    assert free_bytes(*tables) == 400_000


def test_groups_of_version_1(tables: tuple[Path, Path]) -> None:
    proc, groups = tables
    (proc / "self" / "cgroup").write_text("5:cpu,cpuacct:/\n3:memory:/job\n")
    _write(groups / "memory" / "job", memory__limit_in_bytes="700000", memory__usage_in_bytes="600000")
    assert free_bytes(*tables) == 100_000


def test_a_group_outside_of_what_can_be_seen_is_no_limit(tables: tuple[Path, Path]) -> None:
    proc, groups = tables
    (proc / "self" / "cgroup").write_text("0::/../elsewhere\n")
    assert free_bytes(*tables) == 2000 * 1024
    assert groups.is_dir()


def test_more_in_use_than_allowed_leaves_nothing(tables: tuple[Path, Path]) -> None:
    proc, groups = tables
    (proc / "self" / "cgroup").write_text("0::/job\n")
    _write(groups / "job", memory__max="1000", memory__current="2000")
    assert free_bytes(*tables) == 0


def test_a_system_that_tells_nothing_sets_no_limit(tmp_path: Path) -> None:
    assert free_bytes(tmp_path, tmp_path) == 1 << 62
