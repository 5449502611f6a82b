"""A store on another machine, or in another process: the same interface over TCP."""

import os
import secrets
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from penstock.core.group_record import GroupReport, Order
from penstock.core.stream_address import StreamAddress
from penstock.core.stream_metadata import plain_json
from penstock.errors import ConflictError, StateError, StreamError
from penstock.streams.appendable import check_is_stream
from penstock.streams.at_hand import AtHand
from penstock.streams.membership import GroupStore
from penstock.streams.remote_connection import RemoteConnection
from penstock.streams.remote_member import RemoteMember
from penstock.streams.remote_reader import RemoteReader, read_value
from penstock.streams.remote_writer import RemoteWriter
from penstock.streams.spool_file import SpoolFile, spooled_streams
from penstock.streams.spooling_writer import SpoolingWriter
from penstock.streams.store import Level, MetadataMode, StreamInfo, StreamWriter, Sync
from penstock.wire import stream_requests as say
from penstock.wire.json_body import json_bytes, json_object

__all__ = ["TOKEN", "RemoteStore"]

TOKEN: Final = "PENSTOCK_STREAMS_TOKEN"


class RemoteStore(GroupStore):
    """Durable streams of a server; a connection that breaks is made again, without loss and without duplicates.

    Parameters
    ----------
    address
        ``tcp://host:port``, as ``penstock serve`` prints it.
    token
        Or what gives one, each time a connection is made. Default: of the environment, ``PENSTOCK_STREAMS_TOKEN``.
    name
        Of this client, for texts that say who writes a stream. Default: process and host.
    tls
        How to trust the server's certificate, such as ``ssl.create_default_context()``. Default: no TLS.
    patience_s
        How long the server may be away before what is asked of it fails, in s.
    silence_s
        After what silence it is taken for gone, in s.
    spool
        A folder for what is appended while the server is away, which is sent when it is back, by this process or the
        next one. Then the server need not be there at first, and ``patience_s`` is how long an append waits before
        it goes to the folder.
    spool_bytes
        How much may wait in it of each stream.

    Raises
    ------
    ServiceError
        If the server cannot be reached in time, or does not take this client.
    """

    def __init__(
        self,
        address: str,
        token: str | Callable[[], str] = "",
        *,
        name: str = "",
        tls: ssl.SSLContext | None = None,
        patience_s: float = 30.0,
        silence_s: float = 30.0,
        spool: str | os.PathLike[str] | None = None,
        spool_bytes: int = 1 << 30,
    ) -> None:
        given = token if callable(token) else lambda: token or os.environ.get(TOKEN, "")
        self._users: weakref.WeakSet[RemoteReader | RemoteWriter | SpoolingWriter | RemoteMember] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._at_hand: weakref.WeakValueDictionary[StreamAddress, AtHand] = weakref.WeakValueDictionary()
        self._connection = RemoteConnection(
            address,
            given,
            name=name or f"process {os.getpid()} of {socket.gethostname()}",
            tls=tls,
            patience_s=patience_s,
            silence_s=silence_s,
            must_be_there=spool is None,
        )
        self._spool = None if spool is None else Path(spool)
        self._spool_bytes = spool_bytes
        welcome = self._connection.welcome
        # Of one server they do not change; of another store class they do not depend on an instance.
        self.level = Level(welcome.level) if welcome else Level.INDEXED  # type: ignore[misc]
        self.can_sync = welcome.can_sync if welcome else True  # type: ignore[misc]
        self._left_behind: dict[StreamAddress, SpoolingWriter] = {}
        if self._spool is not None:
            for waiting in spooled_streams(self._spool):
                with suppress(ConflictError):  # another process has it, and sends it
                    self._left_behind[waiting] = self._spooling(waiting, "interval")

    @property
    def address(self) -> str:
        """Of the server."""
        return self._connection.address

    @property
    def connections(self) -> int:
        """How often a connection was made: 1 if none broke."""
        return self._connection.connections

    def write(self, address: StreamAddress, *, sync: Sync = "interval") -> StreamWriter:
        """Write a stream, a new one or on behind what there is."""
        if self._spool is None:
            return self.send(address, sync=sync)
        check_is_stream(address)
        before = self._left_behind.pop(address, None)
        if before is not None:
            before.close()
        writer = self._spooling(address, sync)
        self._users.add(writer)
        return writer

    def send(self, address: StreamAddress, *, sync: Sync = "interval") -> RemoteWriter:
        """Write a stream with appends that need not be waited for; they never go to the spool."""
        check_is_stream(address)
        writer = RemoteWriter(self._connection, address, sync)
        self._users.add(writer)
        return writer

    def _spooling(self, address: StreamAddress, sync: Sync) -> SpoolingWriter:
        assert self._spool is not None
        file = SpoolFile(self._spool, address, self._spool_bytes)
        try:
            return SpoolingWriter(self._connection, address, sync, file)
        except BaseException:
            file.close()
            raise

    def read(self, address: StreamAddress) -> RemoteReader:
        """Read a stream; one that is not there yet may come."""
        check_is_stream(address)
        reader = RemoteReader(self._connection, address, self._at_hand_of(address))
        self._users.add(reader)
        return reader

    def _at_hand_of(self, address: StreamAddress) -> AtHand:
        with self._lock:
            found = self._at_hand.get(address)
            if found is None:
                found = self._at_hand[address] = AtHand()
            return found

    def streams(self, within: StreamAddress | None = None) -> Sequence[StreamInfo]:
        """List streams, those first that were created first; of those that the token allows to read."""
        _, body = self._connection.request(say.Streams("" if within is None else str(within))).done()
        return read_value(body, list[StreamInfo])

    def delete(self, address: StreamAddress) -> bool:
        """Remove exactly this stream, its groups and its metadata; return whether it was there.

        If the connection breaks meanwhile and it was removed the first time, this says that it was not there.
        """
        check_is_stream(address)
        value, _ = self._connection.request(say.Delete(str(address))).done()
        return read_value(value, bool)

    def metadata(self, address: StreamAddress) -> Mapping[str, Any] | None:
        """Return what was said of a beamtime, source or stream; ``None`` if nothing was."""
        _, body = self._connection.request(say.Metadata(str(address))).done()
        if not len(body):
            return None
        return json_object(body, str(address))

    def set_metadata(
        self, address: StreamAddress, value: Mapping[str, Any], mode: MetadataMode = "replace", *, upsert: bool = True
    ) -> None:
        """Say something of a beamtime, source or stream, which need not be there."""
        if not isinstance(value, Mapping):
            raise StreamError(f"metadata of {address} must be a mapping, not {type(value).__name__}")
        body = json_bytes(plain_json(value, f"metadata of {address}"))
        self._connection.request(say.SetMetadata(str(address), mode, upsert), body).done()

    def group(
        self,
        address: StreamAddress,
        name: str,
        *,
        member: str = "",
        lease_s: float = 30,
        attempts: int = 0,
        order: Order = "arrival",
        gap_wait_s: float = 0,
        flush_s: float = 0.01,
        survives_power_loss: bool = False,
    ) -> RemoteMember:
        """Become a member of a group; what it has goes to others at once when its connection breaks.

        ``flush_s`` is how long acknowledgements are gathered here; the server writes them before it answers.
        """
        check_is_stream(address)
        named = member or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        request = say.Join(
            address=str(address),
            name=name,
            member=named,
            owner=secrets.token_hex(16),
            lease_s=lease_s,
            attempts=attempts,
            order=order,
            gap_wait_s=gap_wait_s,
            survives_power_loss=survives_power_loss,
        )
        joined = RemoteMember(self._connection, address, request, flush_s, self._at_hand_of(address))
        self._users.add(joined)
        return joined

    def groups(self, address: StreamAddress) -> Sequence[str]:
        """List the groups of a stream."""
        _, body = self._connection.request(say.Groups(str(address))).done()
        return read_value(body, list[str])

    def group_report(self, address: StreamAddress, name: str) -> GroupReport | None:
        """Return how a group is without becoming a member; its times are of the server's clock."""
        check_is_stream(address)
        _, body = self._connection.request(say.LookAtGroup(str(address), name)).done()
        return next(iter(read_value(body, list[GroupReport])), None)

    def delete_group(self, address: StreamAddress, name: str) -> bool:
        """Forget a group; return whether it was there. A member that goes on makes it anew."""
        value, _ = self._connection.request(say.DeleteGroup(str(address), name)).done()
        return read_value(value, bool)

    def close(self) -> None:
        """Let go of everything; what was sent is answered first, as long as the server is there."""
        for user in [*self._users, *self._left_behind.values()]:
            with suppress(StateError):
                user.leave() if isinstance(user, RemoteMember) else user.close()
        self._connection.close()
