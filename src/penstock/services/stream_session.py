"""One client of a server of durable streams: its requests, one after the other, and the feeds it has asked for.

It has a thread that receives and answers, and one that feeds, once there is something to feed. Whatever the other side
does or leaves undone, nobody but this connection waits for it, and what is kept for it is bounded: one frame that is
received, and of each feed one block that is sent.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import msgspec
import numpy as np

from penstock.core.retention import retained_address
from penstock.core.stream_address import StreamAddress
from penstock.errors import (
    IntegrityError,
    PenstockError,
    RemoteProtocolError,
    ServiceError,
    StateError,
    StreamError,
)
from penstock.services.stored_frames import stored_frame
from penstock.services.stream_feed import FetchFeed, FollowFeed
from penstock.services.stream_feeder import StreamFeeder
from penstock.services.stream_leases import WriterLease, WriterLeases
from penstock.services.stream_members import Joined, StreamMembers, clocked
from penstock.services.stream_tokens import EVERYTHING, Grant, Right, Tokens
from penstock.streams.store import Encoding, Store
from penstock.transport.link import Link, Piece
from penstock.wire import stream_requests as say
from penstock.wire.json_body import json_bytes, json_object
from penstock.wire.layout import read_block
from penstock.wire.refusals import refusal_of
from penstock.wire.stream_frames import MOST_BODY_BYTES, Frame, FrameReader, frame_bytes

__all__ = ["StreamSession"]

_MOST_WAITING: Final = 1 << 18
"""Bytes of answers that wait for others, to be sent with them."""
_MOST_HANDLES: Final = 4096
_LOOK_S: Final = 1.0
"""How often it is looked whether a token is still good."""


class StreamSession:
    """Serves one client until it goes.

    Parameters
    ----------
    link
        The connection; it belongs to this from now on.
    peer
        Where it comes from, for texts.
    tokens
        ``None``: everybody may do everything.
    hello_s, idle_s
        How long it may take until a client says who it is, and how long it may say nothing at all afterwards.
    window
        Bytes that clients may leave unanswered.
    """

    def __init__(
        self,
        link: Link,
        peer: str,
        store: Store,
        leases: WriterLeases,
        members: StreamMembers,
        tokens: Tokens | None,
        *,
        hello_s: float,
        idle_s: float,
        window: int,
    ) -> None:
        self.is_known = False
        """Whether it has said hello."""
        self.why = ""
        """Why it has ended."""
        self._link, self._peer, self._store, self._leases, self._tokens = link, peer, store, leases, tokens
        self._hello_s, self._idle_s, self._window = hello_s, idle_s, window
        self._grant: Grant = EVERYTHING
        self._who = peer
        self._looked = 0.0
        self._sending = threading.Lock()
        self._waiting: list[Piece] = []
        self._waiting_bytes = 0
        self._writers: dict[int, WriterLease] = {}
        self._members = members
        self._joined: dict[int, Joined] = {}
        self._feeder = StreamFeeder(self._send, self.drop)
        self._is_ending = False

    def run(self) -> None:
        """Serve; returns when the client has gone, or was dropped. Raises nothing."""
        try:
            self._talk()
        except (RemoteProtocolError, ServiceError) as error:
            self.why = self.why or str(error)
            with suppress(OSError):
                self._send(0, refusal_of(error))
        except OSError as error:
            self.why = self.why or str(error)
        finally:
            self._end()

    def drop(self, why: str) -> None:
        """End it at once; from any thread."""
        self.why = self.why or why
        self._link.shutdown()

    def has_left(self) -> bool:
        """Tell whether the other side has closed the connection; from any thread."""
        return self._link.is_hung_up()

    def stop(self) -> None:
        """End it when what has been received is answered; from any thread."""
        self.why = self.why or "the server ends"
        self._is_ending = True
        self._link.stop_receiving()

    def _talk(self) -> None:
        frames = FrameReader(most_body_bytes=0)
        self._link.receive_s = self._hello_s
        deadline = time.monotonic() + self._hello_s
        for frame in self._frames(frames, lambda: time.monotonic() < deadline):
            if not self.is_known:
                self._greet(frame)
                frames.most_body_bytes = MOST_BODY_BYTES
                self._link.receive_s = self._idle_s / 3
            else:
                self._answer(frame)

    def _frames(self, frames: FrameReader, is_early: Callable[[], bool]) -> Iterator[Frame]:
        heard = time.monotonic()
        while True:
            try:
                nbytes = self._link.receive_into(frames.space())
            except TimeoutError:
                if not self.is_known:
                    raise TimeoutError("no hello came in time") from None
                self._check_still()
                if time.monotonic() - heard > self._idle_s:
                    raise TimeoutError(f"nothing was heard for {self._idle_s:g} s") from None
                self._send(0, say.Ping())
                continue
            if not nbytes:
                if not frames.is_between:
                    self.why = self.why or "it broke in the midst of a frame"
                return
            heard = time.monotonic()
            if not self.is_known and not is_early():
                raise TimeoutError("no hello came in time")
            yield from frames.received(nbytes)
            self._flush()
            if self._is_ending:
                return

    def _greet(self, frame: Frame) -> None:
        hello = say.open_request(frame.head)
        if not isinstance(hello, say.Hello):
            raise RemoteProtocolError(f"the first frame must be a hello, not {type(hello).__name__}")
        if hello.version != say.VERSION:
            raise RemoteProtocolError(f"this server speaks version {say.VERSION}, not {hello.version}")
        if self._tokens is not None:
            self._grant = self._tokens.check(hello.token)
        holder = f"({self._grant.name})" if self._grant.name else ""
        self._who = " ".join(filter(None, [hello.name, holder, f"at {self._peer}"]))
        self.is_known = True
        level, can_sync = int(self._store.level), self._store.can_sync
        self._put(frame.number, say.Welcome(say.VERSION, level, can_sync, self._window, MOST_BODY_BYTES))

    def _answer(self, frame: Frame) -> None:
        request = say.open_request(frame.head)
        try:
            self._check_still()
            self._handle(frame, request)
        except RemoteProtocolError:
            raise
        except PenstockError as error:
            self._put(frame.number, refusal_of(error))
        except OSError as error:
            # Of the store: what the connection itself raises comes out of _put and _flush, where it is told apart.
            if isinstance(error, _ConnectionBrokeError):
                raise
            self._put(frame.number, refusal_of(ServiceError(f"the store cannot do it: {error}")))
        except Exception as error:  # noqa: BLE001  # a mistake of ours, or of a store: it must cost one request only
            traceback.print_exc(file=sys.stderr)
            self._put(frame.number, refusal_of(ServiceError(f"the server has a fault: {type(error).__name__}")))

    def _handle(self, frame: Frame, request: say.Request) -> None:  # noqa: C901  # a table
        number = frame.number
        match request:
            case say.Append():
                self._append(frame, request)
            case say.Credit():
                self._feeder.allow(number, request.nbytes)
            case say.Fetch():
                self._fetch(number, request)
            case say.Follow():
                reader = self._store.read(self._address(request.address, "read"))
                self._add(FollowFeed(number, reader, request.credit, request.position))
            case say.Info():
                address = self._address(request.address, "read")
                self._leases.settle(address)
                self._done(number, self._store.info(address))
            case say.Close():
                self._close(request.what)
                self._done(number)
            case say.OpenWriter():
                self._open(number, request)
            case say.Present():
                is_there = self._writer(request.writer).present(self, _ids(frame))
                self._put(number, say.Done(), is_there.astype(np.uint8).tobytes())
            case say.SyncWriter():
                self._flush()  # others' answers need not wait for a disk
                self._put(number, self._writer(request.writer).sync(self))
            case say.AskMarks():
                self._put(number, self._writer(request.writer).marks(self))
            case say.EndStream():
                self._put(number, self._writer(request.writer).end(self, request.state, request.text))
            case say.Ids():
                with self._store.read(self._address(request.address, "read")) as reader:
                    found = reader.ids(request.first_id, request.limit)
                self._put(number, say.Done(), np.asarray(found, "<u8").tobytes())
            case say.Streams():
                self._put(number, say.Done(), msgspec.msgpack.encode(self._streams(request.within)))
            case say.Delete():
                address = self._address(request.address, "admin")
                self._leases.settle(address)
                self._done(number, self._store.delete(address))
            case say.Metadata():
                value = self._store.metadata(self._address(request.address, "read"))
                self._put(number, say.Done(), b"" if value is None else json_bytes(value))
            case say.SetMetadata():
                self._describe(request, frame)
                self._done(number)
            case say.Claim():
                self._claim(number, request)
            case say.Member():
                self._put(number, say.Done(), self._member(request.membership).do(request))
            case say.Join():
                self._join(number, request)
            case say.Groups():
                names = self._members.names(self._address(request.address, "read"))
                self._put(number, say.Done(), msgspec.msgpack.encode(names))
            case say.LookAtGroup():
                report = self._members.report(self._address(request.address, "read"), request.name)
                self._put(number, say.Done(), msgspec.msgpack.encode([report] if report else []))
            case say.DeleteGroup():
                self._done(number, self._members.delete(self._address(request.address, "admin"), request.name))
            case say.Ping():
                self._put(number, say.Pong())
            case say.Pong():
                pass
            case _:
                raise RemoteProtocolError(f"{type(request).__name__} cannot be said now")

    def _open(self, number: int, request: say.OpenWriter) -> None:
        address = self._address(request.address, "write")
        self._leases.settle(address)
        if number in self._writers or len(self._writers) >= _MOST_HANDLES:
            raise RemoteProtocolError(f"writer {number} is open, or {_MOST_HANDLES} are")
        lease = self._leases.open(self, address, request.sync, request.owner, self._who, is_again=request.is_again)
        self._writers[number] = lease
        self._put(number, lease.marks(self))

    def _join(self, number: int, request: say.Join) -> None:
        if number in self._joined or len(self._joined) >= _MOST_HANDLES:
            raise RemoteProtocolError(f"membership {number} is open, or {_MOST_HANDLES} are")
        self._joined[number] = joined = self._members.join(self, self._address(request.address, "read"), request)
        self._done(number, joined.name)

    def _member(self, number: int) -> Joined:
        try:
            return self._joined[number]
        except KeyError:
            raise StateError(f"there is no membership {number}; it could not be begun, or it has ended") from None

    def _claim(self, number: int, request: say.Claim) -> None:
        joined, credit = self._member(request.membership), request.credit
        claim = joined.claim(request)
        if credit:
            # What cannot be read is left out: who has claimed it fetches it, and is told.
            with suppress(IntegrityError):
                for stored in joined.claimed(claim):
                    head, body, nbytes = stored_frame(stored)
                    self._put(number, head, *body)
                    credit -= nbytes
                    if credit <= 0:
                        break
        self._put(number, say.Done(), clocked(claim))

    def _append(self, frame: Frame, request: say.Append) -> None:
        lease = self._writer(request.writer)
        block = read_block(request.layout, frame.body, lease.address.stream)
        encodings = tuple([None if fields is None else Encoding(*fields) for fields in request.encodings])
        self._put(frame.number, lease.append(self, block, encodings, frame.crc, is_again=request.is_again))

    def _fetch(self, number: int, request: say.Fetch) -> None:
        reader = self._store.read(self._address(request.address, "read"))
        if request.by == "position":
            found = reader.blocks(request.first)
        elif request.by == "id":
            found = reader.get(request.first, request.last)
        else:
            found = reader.between(request.first, request.last)
        self._add(FetchFeed(number, reader, request.credit, found))

    def _add(self, feed: FetchFeed | FollowFeed) -> None:
        self._flush()  # answers keep the order of their requests
        self._feeder.add(feed)

    def _describe(self, request: say.SetMetadata, frame: Frame) -> None:
        address = self._address(request.address, "write")
        if retained_address(address) is not None:  # it removes messages, or keeps so many that the disk fills
            self._address(request.address, "admin")
        value = json_object(frame.body, str(address))
        if request.is_again and request.mode == "insert" and self._store.metadata(address) == value:
            return
        self._store.set_metadata(address, value, request.mode, upsert=request.upsert)

    def _streams(self, within: str) -> list[object]:
        wanted = StreamAddress.parse(within) if within else None
        return [info for info in self._store.streams(wanted) if self._grant.allows("read", info.address)]

    def _close(self, what: int) -> None:
        lease = self._writers.pop(what, None)
        if lease is not None:
            self._leases.close(self, lease)
        elif what in self._joined:
            self._members.leave(self._joined.pop(what))
        else:
            self._feeder.remove(what)

    def _writer(self, number: int) -> WriterLease:
        try:
            return self._writers[number]
        except KeyError:
            raise StateError(f"there is no writer {number}; its stream could not be opened, or it is closed") from None

    def _address(self, text: str, right: Right) -> StreamAddress:
        try:
            address = StreamAddress.parse(text)
        except UnicodeDecodeError as error:
            raise StreamError(f"{text!r} is no address") from error
        if not self._grant.allows(right, retained_address(address) or address):
            raise ServiceError(f"the token of {self._grant.name!r} does not allow to {right} {address}")
        return address

    def _check_still(self) -> None:
        if self._tokens is not None and time.monotonic() - self._looked > _LOOK_S:
            self._tokens.check_still(self._grant)
            self._looked = time.monotonic()

    def _done(self, number: int, value: object = None) -> None:
        self._put(number, say.Done(msgspec.Raw(msgspec.msgpack.encode(value))))

    def _put(self, number: int, answer: say.Answer, *body: Piece) -> None:
        """Let an answer wait until what was received with its request is handled."""
        head = frame_bytes(number, say.encode_head(answer), *body)
        self._waiting += (head, *body)
        self._waiting_bytes += len(head) + sum(map(len, body))
        if self._waiting_bytes > _MOST_WAITING:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            pieces: list[Piece] = [b"".join(self._waiting)] if self._waiting_bytes < _MOST_WAITING else self._waiting
            self._waiting, self._waiting_bytes = [], 0
            self._write(pieces)

    def _send(self, number: int, answer: say.Answer, *body: Piece) -> None:
        self._write([frame_bytes(number, say.encode_head(answer), *body), *body])

    def _write(self, pieces: list[Piece]) -> None:
        try:
            with self._sending:
                self._link.send(pieces)
        except OSError as error:
            self._link.shutdown()
            raise _ConnectionBrokeError(str(error)) from error

    def _end(self) -> None:
        self._link.shutdown()
        self._feeder.close()
        for lease in self._writers.values():
            try:
                self._leases.close(self, lease)
            except (PenstockError, OSError):  # a full disk, say: the stream is let go of all the same
                traceback.print_exc(file=sys.stderr)
        for joined in self._joined.values():
            try:
                self._members.leave(joined)
            except (PenstockError, OSError):  # then its leases end by themselves
                traceback.print_exc(file=sys.stderr)
        self._link.close()


class _ConnectionBrokeError(OSError):
    """What the connection raised, not a store."""


def _ids(frame: Frame) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    if len(frame.body) % 8:
        raise RemoteProtocolError(f"{len(frame.body)} bytes are no ids")
    return frame.body.view("<u8")
