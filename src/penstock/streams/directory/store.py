"""The store that is a folder: nothing to install, nothing that must run, on any disk."""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from penstock.core.group_record import GroupReport
from penstock.core.retention import ENDING, Retained, retention_address
from penstock.core.stream_address import StreamAddress
from penstock.core.stream_metadata import changed_metadata
from penstock.errors import IntegrityError, StateError, StreamError
from penstock.streams.appendable import check_is_stream, has_ended
from penstock.streams.declared_end import declared_address
from penstock.streams.directory.catalogue import Catalogue
from penstock.streams.directory.file_names import STATE, segment_numbers, sync_folder
from penstock.streams.directory.file_system import can_write_direct, is_network
from penstock.streams.directory.growing_segment import NEVER, disk_errors
from penstock.streams.directory.info import closed_info
from penstock.streams.directory.reader import DirectoryReader
from penstock.streams.directory.repair import Found, rebuild_stream, verify_stream
from penstock.streams.directory.retainer import Retainer
from penstock.streams.directory.retention import retain
from penstock.streams.directory.segment_view import Check
from penstock.streams.directory.state_file import StateFile, decode_state
from penstock.streams.directory.store_folder import GONE, STREAMS, below, is_store, make_folders, make_store
from penstock.streams.directory.stream_lock import StreamLock
from penstock.streams.directory.syncer import Syncer
from penstock.streams.directory.writer import DirectoryWriter
from penstock.streams.group_bell import Bell, file_bell
from penstock.streams.group_report import report_of
from penstock.streams.group_store import StoredGroup, delete_group, delete_groups, list_groups
from penstock.streams.ids_there import IdsThere
from penstock.streams.kept_group import KeptGroup
from penstock.streams.kept_retention import (
    RetainingStore,
    pin_group,
    pinned_groups,
    retention_to_use,
    unread_by_pinned,
)
from penstock.streams.member import become_member, group_name
from penstock.streams.membership import Membership
from penstock.streams.store import Level, MetadataMode, StreamInfo, Sync

__all__ = ["DIRECT_BYTES", "SEGMENT_BYTES", "DirectoryStore"]

SEGMENT_BYTES: Final = 1 << 30
DIRECT_BYTES: Final = 1 << 20
GROUPS: Final = "groups"


class DirectoryStore(RetainingStore):
    """Durable streams in a folder. Who reads changes nothing in it; who writes makes the store if it is not there.

    Parameters
    ----------
    path
        The folder; its parent must be there.
    make
        Whether to make the store at once if it is not there, so that who reads can wait for its first stream.
    segment_bytes
        How large the files become; retention removes whole ones.
    direct_bytes
        How large a block must be to be written past the page cache, where the file system does that.
    check
        When readers look whether blocks are what was written.
    now_ns
        The clock; what it says is noted, and by nothing else is anything found.

    Raises
    ------
    StreamError
        If there is something else in the folder, or a store of a version that is not known.
    """

    level: ClassVar[Level] = Level.GROUPS

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        make: bool = False,
        segment_bytes: int = SEGMENT_BYTES,
        direct_bytes: int = DIRECT_BYTES,
        check: Check = "first",
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.path = Path(path).absolute()
        self._segment_bytes = segment_bytes
        self._direct_bytes = direct_bytes
        self._check: Check = check
        self._now_ns = now_ns
        self._streams = self.path / STREAMS
        self._groups = self.path / GROUPS
        self._is_there = self._is_made = self._is_closed = False
        self._has_store()
        if make:
            self.make()
        self._catalogue = Catalogue(self.path / "catalogue.sqlite")
        self._syncer = Syncer()
        self._retainer = Retainer(self.retain)

    def make(self) -> None:
        """Make the store if it is not there; several threads and processes may at once."""
        self._check_open()
        if self._is_made:
            return
        with disk_errors(self.path):
            make_store(self.path)
            if not can_write_direct(self._streams):
                self._direct_bytes = NEVER
        self._is_there = self._is_made = True

    def _has_store(self) -> bool:
        if not self._is_there:
            with disk_errors(self.path):
                self._is_there = is_store(self.path)
        return self._is_there

    def check_is_there(self) -> None:
        """Raise an error if nobody has made the store; see `Store.check_is_there`."""
        self._check_open()
        if not self._has_store():
            what = "holds no store" if self.path.is_dir() else "is not there"
            raise StreamError(
                f"{self.path} {what}; a store is made by who sends first, or by opening one with make=True"
            )

    def write(self, address: StreamAddress, *, sync: Sync = "interval") -> DirectoryWriter:
        """Write a stream; see `Store.write`."""
        self._check_open()
        check_is_stream(address)
        self.make()
        folder = self._folder(address)
        with disk_errors(folder):
            lock, state = self._locked(folder, address, sync)
        return DirectoryWriter(
            address,
            folder,
            lock,
            state,
            sync=sync,
            segment_bytes=self._segment_bytes,
            direct_bytes=self._direct_bytes,
            syncer=self._syncer,
            retainer=self._retainer,
            now_ns=self._now_ns,
        )

    def _locked(self, folder: Path, address: StreamAddress, sync: Sync) -> tuple[StreamLock, StateFile]:
        """Return the lock of a stream, and its state; the folder is made if it is not there."""
        while True:
            make_folders(folder, is_synced=sync != "none")
            try:
                lock = StreamLock(folder)
            except FileNotFoundError:  # deleted since
                continue
            try:
                if lock.is_in(folder):
                    state = self._state_of(folder)
                    if state.has_ended:
                        raise has_ended(address, state.state, state.reason)
                    return lock, state
            except BaseException:
                lock.close()
                raise
            lock.close()

    def _state_of(self, folder: Path) -> StateFile:
        try:
            return decode_state((folder / STATE).read_bytes(), folder / STATE)
        except FileNotFoundError:
            # If there are segments, the state is lost, and how their writer left is not known.
            return StateFile(made_ns=self._now_ns(), is_written=bool(segment_numbers(folder)))

    def read(self, address: StreamAddress) -> DirectoryReader:
        """Read a stream; see `Store.read`."""
        self._check_open()
        check_is_stream(address)
        # Where there is no store yet, its folder is waited for, too.
        top = self._streams if self._has_store() else self.path.parent
        return DirectoryReader(address, self._folder(address), top, check=self._check)

    def streams(self, within: StreamAddress | None = None) -> Sequence[StreamInfo]:
        """List streams, those first that were created first."""
        self._check_open()
        found = [info for address in self._addresses(within) if (info := self._info(address)) is not None]
        return sorted(found, key=lambda info: (info.created_ns, info.address))

    def _addresses(self, within: StreamAddress | None) -> Iterator[StreamAddress]:
        names = () if within is None else within.folders
        yield from below(self._streams.joinpath(*names), tuple(map(unquote, names)))

    def _info(self, address: StreamAddress) -> StreamInfo | None:
        folder = self._folder(address)
        try:
            state = decode_state((folder / STATE).read_bytes(), folder / STATE)
        except FileNotFoundError:
            if not segment_numbers(folder):
                return None
        except IntegrityError:  # what it holds can be read nevertheless
            pass
        else:
            if not state.is_written:
                return closed_info(address, state)
        with self.read(address) as reader:
            return reader.info

    def delete(self, address: StreamAddress) -> bool:
        """Remove exactly this stream; see `Store.delete`. Readers keep the arrays they hold."""
        self._check_open()
        check_is_stream(address)
        folder = self._folder(address)
        was_there = False
        with suppress(FileNotFoundError):
            lock = StreamLock(folder)
            try:
                was_there = (folder / STATE).exists() or bool(segment_numbers(folder))
                # Renamed first, so that it is gone as a whole whatever happens.
                gone = self.path / GONE / uuid.uuid4().hex
                gone.parent.mkdir(exist_ok=True)
                folder.rename(gone)
                sync_folder(folder.parent)
            finally:
                lock.close()
            shutil.rmtree(gone)
            for parent in (folder.parent, folder.parent.parent):
                with suppress(OSError):  # another stream is in it
                    parent.rmdir()
        self._catalogue.remove(address)
        with suppress(StreamError):  # of a name so long that nothing can have been said
            self._catalogue.remove(declared_address(address))
            self._catalogue.remove(retention_address(address))
        delete_groups(self._groups, str(address))
        return was_there

    def group(
        self, address: StreamAddress, name: str, *, survives_power_loss: bool = False, **rules: Any
    ) -> Membership:
        """Become a member of a group; see `GroupStore.group`."""
        self._check_open()
        self.make()  # what a group has taken is written
        there = IdsThere(self.read(address))
        kept = StoredGroup(
            self._groups,
            str(address),
            group_name(name),
            survives_power_loss=survives_power_loss,
            bells=_bell,
        )
        return become_member(kept, there, left=there.close, **rules)

    def kept_group(self, address: StreamAddress, name: str) -> KeptGroup:
        """Return where a group is kept, for who hands out messages by rules of its own; the caller closes it."""
        self._check_open()
        self.make()
        return StoredGroup(self._groups, str(address), group_name(name), bells=_bell)

    def groups(self, address: StreamAddress) -> Sequence[str]:
        """List the groups of a stream."""
        self._check_open()
        return list_groups(self._groups, str(address))

    def group_report(self, address: StreamAddress, name: str) -> GroupReport | None:
        """Return how a group is without becoming a member; see `GroupStore.group_report`."""
        with self.read(address) as reader, closing(StoredGroup(self._groups, str(address), name)) as kept:
            return report_of(kept, IdsThere(reader))

    def delete_group(self, address: StreamAddress, name: str) -> bool:
        """Forget a group; see `GroupStore.delete_group`."""
        self._check_open()
        if name in pinned_groups(self, address):
            pin_group(self, address, name, is_pinned=False)
        return delete_group(self._groups, str(address), name)

    def metadata(self, address: StreamAddress) -> Mapping[str, Any] | None:
        """Return what was said of a beamtime, source or stream; ``None`` if nothing was."""
        self._check_open()
        return self._catalogue.metadata(address)

    def set_metadata(
        self, address: StreamAddress, value: Mapping[str, Any], mode: MetadataMode = "replace", *, upsert: bool = True
    ) -> None:
        """Say something of a beamtime, source or stream; see `Store.set_metadata`."""
        self._check_open()
        self.make()
        self._catalogue.change(address, lambda old: changed_metadata(str(address), old, value, mode, upsert=upsert))

    def retain(
        self,
        address: StreamAddress,
        *,
        age_s: float | None = None,
        nbytes: int | None = None,
        count: int | None = None,
        keep: int | None = None,
        even_unread: bool = False,
    ) -> Retained:
        """Remove the oldest segments of a stream that exceed a limit; see `RetainingStore.retain`.

        Segments go as a whole, and the one that grows stays. Their ids count as present for ever.
        """
        self._check_open()
        check_is_stream(address)
        retention = retention_to_use(self, address, age_s=age_s, nbytes=nbytes, count=count, even_unread=even_unread)
        folder = self._folder(address)
        if not retention.is_limited or not folder.is_dir():
            return Retained()
        return retain(
            folder, retention, self._now_ns(), unread=lambda: unread_by_pinned(self, address), keep=keep,
        )  # fmt: skip

    def retain_all(self) -> Iterator[tuple[StreamAddress, Retained | StreamError]]:
        """Remove what is too much of all streams of which something was said; see `RetainingStore.retain_all`."""
        self._check_open()
        for source in sorted({address.parent for address in self._catalogue.ending(ENDING)}):
            for address in sorted(self._addresses(source)):
                try:
                    yield address, self.retain(address)
                except FileNotFoundError:  # it is being deleted
                    continue
                except StreamError as error:
                    yield address, error

    def verify(self, address: StreamAddress) -> Found:
        """Look at every stored byte of a stream, and say what is not as it was written."""
        self._check_open()
        check_is_stream(address)
        return verify_stream(self._folder(address))

    def rebuild(self, address: StreamAddress) -> Found:
        """Make the indexes and the state of a stream again from its segments, and return what is wrong still.

        A stream whose state was damaged is open afterwards: whether it had ended is not known.

        Raises
        ------
        ConflictError
            If somebody writes it.
        """
        self._check_open()
        check_is_stream(address)
        folder = self._folder(address)
        if not folder.is_dir():
            return Found()
        lock = StreamLock(folder)
        try:
            with disk_errors(folder):
                rebuild_stream(folder, self._now_ns())
        finally:
            lock.close()
        return verify_stream(folder)

    def close(self) -> None:
        """Let go of everything; writers and readers are closed by who made them."""
        self._retainer.close()  # what is due is still done
        self._is_closed = True
        self._syncer.close()
        self._catalogue.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise StateError(f"{self.path}: this store is closed")

    def _folder(self, address: StreamAddress) -> Path:
        return self._streams.joinpath(*address.folders)

    def __repr__(self) -> str:
        return f"DirectoryStore({str(self.path)!r})"


def _bell(path: Path) -> Bell | None:
    return None if is_network(path.parent) else file_bell(path)
