"""State, lock, removed ids, and what a file system can do."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.id_set import IdSet
from penstock.errors import ConflictError, IntegrityError
from penstock.streams.directory.file_system import can_write_direct, is_network, kind_of
from penstock.streams.directory.removed_ids import read_removed, write_removed
from penstock.streams.directory.state_file import StateFile, Totals, decode_state, encode_state, write_state
from penstock.streams.directory.stream_lock import StreamLock, is_locked
from penstock.streams.directory.watched_state import NO_STATE, WatchedState
from penstock.streams.store import StreamState

STATE = StateFile(
    state=StreamState.FINISHED, next_stream="run 2 ä", reason="", made_ns=5, totals=Totals(written=7, last_id=9)
)


def test_a_state_is_read_as_it_was_written() -> None:
    assert decode_state(encode_state(STATE), "here") == STATE


@given(st.integers(0, 8 * len(encode_state(STATE)) - 1))
def test_a_damaged_state_is_refused(bit: int) -> None:
    damaged = bytearray(encode_state(STATE))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError, match=r"^here: "):
        decode_state(bytes(damaged), "here")


def test_a_watched_state_is_always_the_newest(tmp_path: Path) -> None:
    watched = WatchedState(tmp_path)
    assert watched.now() == NO_STATE
    for number in range(50):
        state = StateFile(made_ns=number + 1)
        write_state(tmp_path, state, sync=False)
        assert watched.now() == state
    (tmp_path / "state").unlink()
    assert watched.now() == NO_STATE
    (tmp_path / "state").write_bytes(b"nonsense")
    assert watched.now().is_written
    watched.close()
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_lock_has_one_holder_for_each_purpose(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    lock = StreamLock(tmp_path)
    assert is_locked(tmp_path)
    assert lock.is_in(tmp_path)
    with pytest.raises(ConflictError, match=rf"process {os.getpid()} of {os.uname().nodename} holds it to write"):
        StreamLock(tmp_path)
    other = StreamLock(tmp_path, "retain")
    with pytest.raises(ConflictError, match="holds it to retain"):
        StreamLock(tmp_path, "retain")
    lock.close()
    assert not is_locked(tmp_path)
    again = StreamLock(tmp_path)
    (tmp_path / "lock").unlink()
    assert not again.is_in(tmp_path)
    StreamLock(tmp_path).close()
    assert not again.is_in(tmp_path)
    for held in (other, again, again):
        held.close()


def test_looking_at_a_lock_does_not_hinder_who_takes_it(tmp_path: Path) -> None:
    for _ in range(100):
        lock = StreamLock(tmp_path)
        assert is_locked(tmp_path)
        lock.close()
        assert not is_locked(tmp_path)


@given(ids=st.sets(st.integers(0, 2**64 - 1) | st.integers(0, 20)))
def test_removed_ids_are_remembered(ids: set[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("removed")
    assert read_removed(folder).count == 0
    removed = IdSet(np.array(sorted(ids), np.uint64))
    write_removed(folder, removed)
    assert read_removed(folder) == removed
    assert [path.name for path in folder.iterdir()] == ["removed"]


def test_damaged_removed_ids_are_refused(tmp_path: Path) -> None:
    write_removed(tmp_path, IdSet(np.array([1, 2, 9], np.uint64)))
    whole = (tmp_path / "removed").read_bytes()
    for byte in range(len(whole)):
        (tmp_path / "removed").write_bytes(whole[:byte] + bytes([whole[byte] ^ 1]) + whole[byte + 1 :])
        with pytest.raises(IntegrityError, match="removed ids"):
            read_removed(tmp_path)
        (tmp_path / "removed").write_bytes(whole[:byte])
        with pytest.raises(IntegrityError, match="removed ids"):
            read_removed(tmp_path)


def test_kinds_of_file_systems_are_known() -> None:
    assert kind_of(Path("/proc")) == "proc"
    assert kind_of(Path("/dev/shm")) == "tmpfs"
    assert not is_network(Path("/proc"))


def test_writing_past_the_page_cache_is_tried(tmp_path: Path) -> None:
    can = can_write_direct(tmp_path)
    assert can or kind_of(tmp_path) not in ("ext4", "xfs")
    assert not any(tmp_path.iterdir())
    with pytest.raises(OSError, match="No such file"):
        can_write_direct(tmp_path / "nowhere")
