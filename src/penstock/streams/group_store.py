"""Groups in files, one each, shared by the processes of one machine.

All that a member asks for is done under the lock of the group's file: read what others have written since, change it,
and append one piece with the whole record and what was taken. A process that is killed meanwhile has changed nothing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from penstock.core.group import GroupState
from penstock.core.group_record import GroupRecord
from penstock.core.id_ranges import Range, joined, put
from penstock.core.id_set import IdSet
from penstock.errors import IntegrityError
from penstock.streams.group_bell import Bell, file_bell, ring_file
from penstock.streams.group_file import GroupFile, first_piece
from penstock.streams.kept_group import KeptGroup

__all__ = ["StoredGroup", "delete_group", "delete_groups", "list_groups"]

FORMAT: Final = 1
LEAST_REPLACED: Final = 1 << 23
"""A file is written anew when it is longer than this, and ``WHOLES`` times as long as what it begins with."""
WHOLES: Final = 4


class _Whole(msgspec.Struct, frozen=True, array_like=True):
    """The first piece of a file."""

    format: int
    boot: str
    """Which start of the machine the times are of."""
    address: str
    name: str
    firsts: bytes
    """Of the intervals of ids that were taken, u64 little endian."""
    lasts: bytes
    record: msgspec.Raw


class _More(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Each piece behind it."""

    taken: list[Range]
    """Since the piece before."""
    record: msgspec.Raw


class StoredGroup(KeptGroup):
    """One group in a folder, as one member reaches it.

    Parameters
    ----------
    folder
        Of all groups of all streams; made when the first one is.
    survives_power_loss
        Whether to wait for the disk at each change.
    boot
        Which start of the machine this is: times of another one mean nothing.
    bells
        Makes what wakes members, of the file of the group; ``None`` where the kernel does not see who writes it.
    """

    def __init__(
        self,
        folder: Path,
        address: str,
        name: str,
        *,
        survives_power_loss: bool = False,
        boot: Callable[[], str] | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        bells: Callable[[Path], Bell | None] = file_bell,
    ) -> None:
        self._bells = bells
        self._address, self._name = address, name
        self._boot = (boot or boot_id)()
        self._clock_ns = clock_ns
        self._encoder = msgspec.msgpack.Encoder()
        self._records = msgspec.msgpack.Decoder(GroupRecord)
        self._wholes = msgspec.msgpack.Decoder(_Whole)
        self._mores = msgspec.msgpack.Decoder(_More)
        self._file = GroupFile(_path(folder, address, name), survives_power_loss=survives_power_loss)
        self._state: GroupState | None = None
        """What was read or written up to the file's ``end``; ``None`` if that is not known."""
        self._whole_bytes = 0
        """How long the file was when it was written anew."""
        self._is_old = False
        """Whether it is of another start of the machine."""

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
        length = self._file.lock()
        try:
            state = self._state = self._read(length)
            yield state
            self._write(state)
        except BaseException:
            self._state = None
            raise
        finally:
            self._file.unlock()

    @contextmanager
    def look(self) -> Iterator[GroupState | None]:
        """Hold the group, and write nothing; raises as ``change`` does."""
        length = self._file.lock_old()
        if length < 0:
            yield None
            return
        try:
            state = self._state = self._read(length)
            yield state if self._file.end else None
        except BaseException:
            self._state = None
            raise
        finally:
            self._file.unlock()

    def ring(self, *, is_done: bool) -> None:
        """Wake members that wait."""
        with suppress(FileNotFoundError):  # nobody was a member yet
            ring_file(self._file.path, is_done=is_done)

    def bell(self) -> Bell | None:
        """Return what wakes."""
        return self._bells(self._file.path)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read(self, length: int) -> GroupState:
        file = self._file
        if self._state is None:
            file.end = 0
        elif 0 < file.end == length:
            return self._state
        try:
            return self._behind(length) if 0 < file.end < length else self._all(length)
        except (msgspec.MsgspecError, IntegrityError, ValueError) as error:
            raise IntegrityError(f"group {self._name!r} of {self._address} cannot be read: {error}") from error

    def _all(self, length: int) -> GroupState:
        """Read the whole file."""
        self._file.end, self._is_old = 0, False
        pieces = self._file.pieces(length)
        first = next(pieces, None)
        if first is None:
            return GroupState()
        whole = self._wholes.decode(first)
        self._whole_bytes = len(first)
        state = GroupState(taken=IdSet.from_tables(whole.firsts, whole.lasts))
        self._is_old = self._file.was_cut_off = whole.boot != self._boot
        state = self._added(state, pieces, whole.record)
        if self._is_old:
            state.restart(self._clock_ns())
        return state

    def _behind(self, length: int) -> GroupState:
        """Read what others have written since the last time."""
        assert self._state is not None
        return self._added(self._state, self._file.pieces(length), None)

    def _added(self, state: GroupState, pieces: Iterator[memoryview], record: msgspec.Raw | None) -> GroupState:
        taken = state.unclaimed.taken
        for piece in pieces:
            more = self._mores.decode(piece)
            record = more.record
            if more.taken:
                put(taken, more.taken)
        return state if record is None else GroupState(self._records.decode(record), taken)

    def _write(self, state: GroupState) -> None:
        unclaimed = state.unclaimed
        file = self._file
        is_long = file.end > LEAST_REPLACED and file.end > WHOLES * self._whole_bytes
        if not file.end or unclaimed.sought or self._is_old or is_long:
            self._write_whole(state)
        else:
            news = unclaimed.news
            file.append(self._encoder.encode((joined(news) if len(news) > 1 else news, state.record)))
        unclaimed.news, unclaimed.sought = [], False

    def _write_whole(self, state: GroupState) -> None:
        firsts, lasts = state.unclaimed.taken.tables()
        piece = self._encoder.encode((FORMAT, self._boot, self._address, self._name, firsts, lasts, state.record))
        if self._file.end:
            self._file.replace(piece)
        else:
            self._file.append(piece)
        self._whole_bytes, self._is_old = len(piece), False


def boot_id() -> str:
    """Return which start of this machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def list_groups(folder: Path, address: str) -> list[str]:
    """List the groups of a stream."""
    decoder = msgspec.msgpack.Decoder(_Whole)
    return sorted(decoder.decode(first).name for path in _files(folder, address) if (first := first_piece(path)))


def delete_group(folder: Path, address: str, name: str) -> bool:
    """Forget one group; return whether it was there."""
    return _deleted(_path(folder, address, name))


def delete_groups(folder: Path, address: str) -> bool:
    """Forget all groups of a stream; return whether there were any."""
    deleted = [_deleted(path) for path in _files(folder, address)]
    with suppress(OSError):  # there is none, or somebody has made a group meanwhile
        _folder(folder, address).rmdir()
    return any(deleted)


def _deleted(path: Path) -> bool:
    with closing(GroupFile(path)) as file:
        length = file.lock_old()
        if length >= 0:
            file.remove()
    return length > 0


def _files(folder: Path, address: str) -> list[Path]:
    try:
        return [path for path in _folder(folder, address).iterdir() if not path.suffix]
    except FileNotFoundError:
        return []


def _path(folder: Path, address: str, name: str) -> Path:
    return _folder(folder, address) / _hashed(name)


def _folder(folder: Path, address: str) -> Path:
    return folder / _hashed(address)


def _hashed(text: str) -> str:
    """Return a name for a file: names of groups may be longer than those, and have any letters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
