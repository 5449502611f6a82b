"""Pools in one process: sizes, seals, who may write, what is held, and what is refused."""

import errno
import fcntl
import gc
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from penstock.errors import PenstockError, RemoteProtocolError
from penstock.transport import pool as room
from penstock.transport.pool import Pool, PoolHandle


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def writer() -> Iterator[Pool]:
    with Pool.create("image", 3, 10_000) as pool:
        yield pool


@pytest.fixture
def reader(writer: Pool) -> Iterator[Pool]:
    with Pool.attach(writer.handle, os.dup(writer.fd)) as pool:
        yield pool


def test_a_slot_is_whole_pages(writer: Pool) -> None:
    assert writer.handle == PoolHandle("image", 1, 3, 12_288)
    assert writer.handle.nbytes == os.fstat(writer.fd).st_size == 36_864
    assert all(writer.writable(slot).ctypes.data % mmap.PAGESIZE == 0 for slot in range(3))


def test_all_memory_is_taken_at_the_start(writer: Pool) -> None:
    assert os.fstat(writer.fd).st_blocks * 512 == writer.handle.nbytes


def test_a_reader_sees_what_the_writer_writes(writer: Pool, reader: Pool) -> None:
    for slot in range(3):
        writer.writable(slot)[:] = slot + 1
    assert [int(reader.bytes(slot, 10_000).min()) for slot in range(3)] == [1, 2, 3]
    assert [int(reader.bytes(slot, 10_000).max()) for slot in range(3)] == [1, 2, 3]
    assert reader.bytes(1, 0).shape == (0,)


def test_a_reader_cannot_write(reader: Pool) -> None:
    view = reader.bytes(0, 100)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        view.view(np.uint32).reshape(5, 5)[2:] += 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.flags.writeable = True
    with pytest.raises(ValueError, match="pool image belongs to another process"):
        reader.writable(0)
    assert not reader.is_writer


def test_what_the_writer_reads_is_read_only_too(writer: Pool) -> None:
    with pytest.raises(ValueError, match="read-only"):
        writer.bytes(0, 10)[0] = 1
    assert writer.is_writer


def test_nobody_else_can_write_resize_or_unseal(writer: Pool) -> None:
    fd = writer.fd
    with pytest.raises(PermissionError):
        mmap.mmap(fd, writer.handle.nbytes)
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    for size in (0, writer.handle.nbytes * 2):
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    writer.writable(0)[:5] = 7  # the writer still can
    assert writer.bytes(0, 6).tolist() == [7, 7, 7, 7, 7, 0]


def test_an_older_kernel_without_the_seal_against_writers_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_FUTURE_WRITE", 1 << 20)
    with Pool.create("old", 1, 1) as writer, Pool.attach(writer.handle, os.dup(writer.fd)) as reader:
        writer.writable(0)[0] = 9
        assert reader.bytes(0, 1)[0] == 9


def test_the_descriptor_does_not_leak_into_programs_started(writer: Pool) -> None:
    assert not os.get_inheritable(writer.fd)


@pytest.mark.parametrize("name", ["", "ä" * 300, "a/b", "nul\0", "\ud800"])
def test_any_name_will_do(name: str) -> None:
    with Pool.create(name, 1, 1) as pool:
        assert pool.handle.name == name


def test_a_handle_travels() -> None:
    handle = PoolHandle("image", 3, 4, 4096)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(handle), type=PoolHandle) == handle
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(["image", 3, 0, 4096]), type=PoolHandle)


def test_no_room_says_what_was_asked_for_and_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda: 40_000)
    before = _descriptors()
    with pytest.raises(PenstockError, match=r"pool image: no room .* 40,960 bytes asked for, 40,000 free; use fewer"):
        Pool.create("image", 10, 4096)
    assert _descriptors() == before


def test_more_than_the_machine_has_is_refused_at_once() -> None:
    with pytest.raises(PenstockError, match=r"asked for, [\d,]+ free"):
        Pool.create("image", 1 << 20, 1 << 40)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOMEM])
def test_a_refusal_of_the_kernel_is_told_alike(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(fd: int, offset: int, size: int) -> None:
        raise OSError(code, os.strerror(code))

    before = _descriptors()
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(PenstockError, match=r"4,096 bytes asked for, [\d,]+ free; .*\(.+\)") as caught:
        Pool.create("image", 1, 4096)
    assert isinstance(caught.value.__cause__, OSError)
    assert _descriptors() == before


def test_a_limit_for_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(PenstockError, match=r"4,096 bytes are more than one file may have here \(`ulimit -f`\)"):
        Pool.create("image", 1, 4096)


@pytest.mark.parametrize(("slots", "slot_bytes", "generation"), [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-1, 1, 1)])
def test_numbers_below_one_are_refused(slots: int, slot_bytes: int, generation: int) -> None:
    with pytest.raises(ValueError, match="each must be at least 1"):
        Pool.create("image", slots, slot_bytes, generation=generation)


def test_a_held_view_is_seen(writer: Pool, reader: Pool) -> None:
    assert reader.kept() == writer.kept() == []
    view = reader.bytes(1, 8000).view(np.uint16).reshape(40, 100)[3:5, ::2]
    assert reader.kept() == [1]
    assert writer.kept() == []  # it is this process's arrays that are counted, and each pool has its own
    moved = view.T.data
    del view
    assert reader.is_kept(1)
    derived = np.asarray(moved)
    moved.release()  # an array still looks in
    assert reader.is_kept(1)
    del derived
    assert not reader.is_kept(1)
    mine = writer.writable(2)
    assert writer.kept() == [2]
    del mine
    assert writer.kept() == []


def test_a_copy_holds_nothing(reader: Pool) -> None:
    copy = reader.bytes(0, 100).copy()
    assert not reader.is_kept(0)
    assert copy.shape == (100,)


def test_structured_and_subclassed_views_are_seen(reader: Pool) -> None:
    pairs = reader.bytes(0, 80).view([("a", "<u4"), ("b", "<u4")])
    column, record = pairs["b"], pairs.view(np.recarray)[2:3]
    del pairs
    assert reader.is_kept(0)
    del column
    assert reader.is_kept(0)
    del record
    assert not reader.is_kept(0)


def test_a_view_in_a_cycle_counts_until_it_is_collected(reader: Pool) -> None:
    cycle: list[object] = [reader.bytes(0, 10)]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert not reader.is_kept(0)


def test_views_survive_the_pool_object(writer: Pool) -> None:
    writer.writable(2)[:100] = 5
    reader = Pool.attach(writer.handle, os.dup(writer.fd))
    view = reader.bytes(2, 100)
    reader.close()
    del reader
    writer.writable(2)[:50] = 6
    writer.close()
    gc.collect()
    assert view[:50].tolist() == [6] * 50
    assert view[50:].tolist() == [5] * 50


def test_a_closed_pool_has_no_slots_and_no_descriptors() -> None:
    before = _descriptors()
    pool = Pool.create("image", 2, 4096)
    pool.close()
    pool.close()
    assert _descriptors() == before
    with pytest.raises(ValueError, match="pool image is closed"):
        pool.fd  # noqa: B018
    with pytest.raises(ValueError, match="no slot 0"):
        Pool.writable(pool, 0)
    with pytest.raises(RemoteProtocolError, match="slot 0 of pool image, which has 0 open"):
        pool.bytes(0, 1)


@pytest.mark.parametrize("slot", [-1, 3, 1 << 40])
def test_a_slot_that_is_not_there(writer: Pool, reader: Pool, slot: int) -> None:
    with pytest.raises(ValueError, match=f"no slot {slot}, but 3"):
        writer.writable(slot)
    with pytest.raises(RemoteProtocolError, match=f"slot {slot} of pool image, which has 3"):
        reader.bytes(slot, 1)


@pytest.mark.parametrize("nbytes", [-1, 12_289])
def test_more_bytes_than_a_slot_has(reader: Pool, nbytes: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{nbytes} bytes of a slot of pool image, which has 12288"):
        reader.bytes(0, nbytes)


def _memory(size: int, seals: int) -> int:
    fd = os.memfd_create("other", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


@pytest.mark.parametrize(
    ("size", "seals", "slot_bytes", "says"),
    [
        (8192, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, 4096, "1 slots of 4096 bytes has 8192 bytes"),
        (100, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, 100, "1 slots of 100 bytes has 100 bytes"),
        (4096, 0, 4096, "could still change its size"),
        (4096, fcntl.F_SEAL_GROW, 4096, "could still change its size"),
    ],
)
def test_memory_that_might_kill_its_reader_is_refused(size: int, seals: int, slot_bytes: int, says: str) -> None:
    before = _descriptors()
    with pytest.raises(RemoteProtocolError, match=says):
        Pool.attach(PoolHandle("image", 1, 1, slot_bytes), _memory(size, seals))
    assert _descriptors() == before


def test_a_file_is_no_pool(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    with pytest.raises(RemoteProtocolError, match="no sealed memory"):
        Pool.attach(PoolHandle("image", 1, 1, 4096), os.open(path, os.O_RDONLY))


def test_a_descriptor_that_cannot_be_mapped_is_refused(monkeypatch: pytest.MonkeyPatch, writer: Pool) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    before = _descriptors()
    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(PenstockError, match="36864 bytes cannot be mapped"):
        Pool.attach(writer.handle, os.dup(writer.fd))
    assert _descriptors() == before
