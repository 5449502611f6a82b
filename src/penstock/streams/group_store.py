"""Groups in SQLite, shared by the processes of one machine.

All that a member asks for is one transaction under one lock: read the group, change it, write it. A process that is
killed meanwhile has changed nothing, and the kernel takes the lock from it.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from penstock.core.group import GroupState
from penstock.core.group_record import GroupRecord
from penstock.core.id_ranges import joined, put
from penstock.core.id_set import IdSet
from penstock.errors import IntegrityError, StoreFullError, StreamError
from penstock.streams.kept_group import KeptGroup
from penstock.streams.sqlite_wal import use_wal

__all__ = ["StoredGroup", "delete_group", "delete_groups", "list_groups"]

TABLES = """
create table if not exists stream_groups (
    id integer primary key,
    address text not null,
    name text not null,
    boot text not null,
    version integer not null,
    record blob not null,
    firsts blob,
    lasts blob,
    logged integer not null,
    unique (address, name)
);
create table if not exists stream_group_taken (
    group_id integer not null,
    version integer not null,
    is_whole integer not null,
    firsts blob not null,
    lasts blob not null,
    primary key (group_id, version)
) without rowid;
"""
BUSY_S = 60
"""How long to wait for others that write the same catalogue without the lock of the groups."""
FEW_BYTES = 512
"""Up to so many bytes of first ids, what a group took lies in its row; more is written as additions."""
LEAST_LOGGED = 1 << 16
"""Additions are joined when they take more than this, and more than the whole."""


class StoredGroup(KeptGroup):
    """One group in a catalogue, as one member reaches it.

    Parameters
    ----------
    catalogue
        The SQLite file; beside it lies the lock, of the same name with ``-groups`` behind it.
    survives_power_loss
        Whether to wait for the disk in each transaction.
    boot
        Which start of the machine this is: times of another one mean nothing.
    """

    def __init__(
        self,
        catalogue: Path,
        address: str,
        name: str,
        *,
        survives_power_loss: bool = False,
        boot: Callable[[], str] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._address, self._name = address, name
        self._boot = (boot or boot_id)()
        self._clock_ns = clock_ns
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(GroupRecord)
        self._id = 0
        self._version = 0
        """Of what is cached."""
        self._state: GroupState | None = None
        self._logged = 0
        self._lock = _opened_lock(catalogue)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._database = _opened(catalogue, survives_power_loss=survives_power_loss)
        except sqlite3.OperationalError as error:
            os.close(self._lock)
            raise _mapped(error) from error
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def change(self) -> Iterator[GroupState]:
        """Hold the group; what was changed is written when the block ends.

        Raises
        ------
        StoreFullError
            If there is no room; nothing is changed then.
        IntegrityError
            If what is kept of the group cannot be read.
        """
        # SQLite's own way to wait for a lock is to sleep and try again; here the kernel wakes who is next.
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._database.execute("begin immediate")
            state = self._state = self._read()
            yield state
            self._write(state)
            self._database.execute("commit")
        except BaseException as error:
            self._state = None
            if self._database.in_transaction:
                self._database.execute("rollback")
            if isinstance(error, sqlite3.OperationalError):
                raise _mapped(error) from error
            raise
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def look(self) -> Iterator[GroupState | None]:
        """Hold the group, and write nothing; raises as ``change`` does."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._database.execute("begin")
            state = self._state = self._read()
            yield state if self._id else None
        except BaseException as error:
            self._state = None
            if isinstance(error, sqlite3.OperationalError):
                raise _mapped(error) from error
            raise
        finally:
            if self._database.in_transaction:
                self._database.execute("rollback")
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()
        os.close(self._lock)

    def _read(self) -> GroupState:
        row = self._database.execute(
            "select id, boot, version, record, firsts, lasts, logged from stream_groups where address = ? and name = ?",
            (self._address, self._name),
        ).fetchone()
        if row is None:
            self._id = self._version = self._logged = 0
            return GroupState()
        group_id, boot, version, record, firsts, lasts, self._logged = row
        if self._state is None or self._id != group_id or self._version > version:
            self._id, self._version, self._state = group_id, 0, None
        elif self._version == version:
            return self._state
        taken = self._taken(firsts, lasts)
        self._version = version
        try:
            state = GroupState(self._decoder.decode(record), taken)
        except msgspec.MsgspecError as error:
            raise IntegrityError(f"group {self._name!r} of {self._address} cannot be read: {error}") from error
        if boot != self._boot:
            state.restart(self._clock_ns())
        return state

    def _taken(self, firsts: bytes | None, lasts: bytes | None) -> IdSet:
        """Return what the group took: from its row, or from what was added since it was last read here."""
        if firsts is not None and lasts is not None:
            return IdSet.from_tables(firsts, lasts)
        taken = IdSet() if self._state is None else self._state.unclaimed.taken
        rows = self._database.execute(
            "select is_whole, firsts, lasts from stream_group_taken"
            " where group_id = ? and version > ? order by version",
            (self._id, self._version),
        )
        for is_whole, some_firsts, some_lasts in rows:
            if is_whole:
                taken = IdSet.from_tables(some_firsts, some_lasts)
            else:
                put(taken, list(zip(_numbers(some_firsts), _numbers(some_lasts), strict=True)))
        return taken

    def _write(self, state: GroupState) -> None:
        record = self._encoder.encode(state.record)
        version = self._version + 1
        unclaimed = state.unclaimed
        if not self._id:
            found = self._database.execute(
                "insert into stream_groups (address, name, boot, version, record, firsts, lasts, logged)"
                " values (?, ?, ?, 0, x'', x'', x'', 0) returning id",
                (self._address, self._name, self._boot),
            ).fetchone()
            self._id = found[0]
            unclaimed.sought = True
        if unclaimed.news or unclaimed.sought:
            firsts, lasts = self._write_taken(state, version)
            self._database.execute(
                "update stream_groups set boot = ?, version = ?, record = ?, firsts = ?, lasts = ?, logged = ?"
                " where id = ?",
                (self._boot, version, record, firsts, lasts, self._logged, self._id),
            )
        else:
            self._database.execute(
                "update stream_groups set boot = ?, version = ?, record = ? where id = ?",
                (self._boot, version, record, self._id),
            )
        self._version = version
        unclaimed.news, unclaimed.sought = [], False

    def _write_taken(self, state: GroupState, version: int) -> tuple[bytes | None, bytes | None]:
        """Write what was taken; return it if it is little enough to lie in the row of the group."""
        unclaimed = state.unclaimed
        is_log = self._logged > 0
        whole = unclaimed.taken.tables() if unclaimed.sought or not is_log or self._logged > LEAST_LOGGED else None
        if whole is not None and len(whole[0]) <= FEW_BYTES:
            if is_log:
                self._database.execute("delete from stream_group_taken where group_id = ?", (self._id,))
            self._logged = 0
            return whole
        if whole is None or (is_log and not unclaimed.sought and self._logged <= len(whole[0])):
            some = np.array(joined(unclaimed.news), "<u8")
            self._log(version, (some[:, 0].tobytes(), some[:, 1].tobytes()), is_whole=False)
        else:
            self._database.execute("delete from stream_group_taken where group_id = ?", (self._id,))
            self._logged = 0
            self._log(version, whole, is_whole=True)
        return None, None

    def _log(self, version: int, tables: tuple[bytes, bytes], *, is_whole: bool) -> None:
        self._database.execute(
            "insert into stream_group_taken values (?, ?, ?, ?, ?)", (self._id, version, is_whole, *tables)
        )
        self._logged += 64 if is_whole else len(tables[0]) + 64  # that a row takes room by itself, too


def boot_id() -> str:
    """Return which start of this machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def list_groups(catalogue: Path, address: str) -> list[str]:
    """List the groups of a stream."""
    with _database(catalogue) as database:
        rows = database.execute("select name from stream_groups where address = ? order by name", (address,))
        return [name for (name,) in rows]


def delete_group(catalogue: Path, address: str, name: str) -> bool:
    """Forget one group; return whether it was there."""
    return _delete(catalogue, "address = ? and name = ?", (address, name))


def delete_groups(catalogue: Path, address: str) -> bool:
    """Forget all groups of a stream; return whether there were any."""
    return _delete(catalogue, "address = ?", (address,))


def _delete(catalogue: Path, where: str, values: tuple[str, ...]) -> bool:
    with _database(catalogue) as database:
        database.execute("begin immediate")
        database.execute(
            f"delete from stream_group_taken where group_id in (select id from stream_groups where {where})",
            values,
        )
        found = database.execute(f"delete from stream_groups where {where}", values).rowcount
        database.execute("commit")
    return found > 0


@contextmanager
def _database(catalogue: Path) -> Iterator[sqlite3.Connection]:
    lock = _opened_lock(catalogue)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with closing(_opened(catalogue, survives_power_loss=False)) as database:
            yield database
    except sqlite3.OperationalError as error:
        raise _mapped(error) from error
    finally:
        os.close(lock)


def _opened_lock(catalogue: Path) -> int:
    return os.open(f"{catalogue}-groups", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _opened(catalogue: Path, *, survives_power_loss: bool) -> sqlite3.Connection:
    # A member's background writes too, one of both at a time.
    database = sqlite3.connect(catalogue, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    use_wal(database, BUSY_S)
    database.execute(f"pragma synchronous = {'full' if survives_power_loss else 'normal'}")
    database.executescript(TABLES)
    return database


def _numbers(column: bytes) -> list[int]:
    numbers: list[int] = np.frombuffer(column, "<u8").tolist()
    return numbers


def _mapped(error: sqlite3.OperationalError) -> Exception:
    if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreFullError(f"the catalogue cannot be written: {error}; nothing that was acknowledged is lost")
    return StreamError(f"the catalogue cannot be used: {error}")
