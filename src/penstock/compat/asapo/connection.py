"""One connection of an ASAPO client: its first byte tells whether it speaks HTTP, or is a producer's or a reader's.

It receives into memory of its own, a large payload straight to where it is stored from, and asks its server what to
answer. One request at a time; what the other side sends meanwhile stays where it is.
"""

import asyncio
from typing import Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo.http import CONTINUE, HttpReader, HttpRequest, answer_head
from penstock.compat.asapo.patience import Patience
from penstock.compat.asapo.pump import Pump
from penstock.compat.asapo.receiver import Producer
from penstock.compat.asapo.wire import HEADER_BYTES, MOST_META_BYTES, Code, Header, Op, reply
from penstock.errors import PenstockError, RemoteProtocolError

__all__ = ["Connection", "Desk"]

SCRATCH_BYTES: Final = 64 << 10
MOST_SKIPPED_BYTES: Final = 1 << 40
SMALL_BYTES: Final = 32 << 10
"""What is larger is sent without a copy."""
_MOST_HELLO_BYTES: Final = 4096
_BINARY: Final = (Op.AUTHORISE, Op.READ)


class Desk(Protocol):
    """What a connection needs of its server."""

    most_message_bytes: int

    def came(self, connection: "Connection") -> bool:
        """Take note of a connection; return whether it may stay."""

    def went(self, connection: "Connection") -> None:
        """Take note that a connection has gone."""

    def authorise(self, connection: "Connection", data: bytes) -> None:
        """Take what a producer says of itself, and answer it."""

    def take(self, connection: "Connection", header: Header, meta: bytes, payload: NDArray[np.uint8] | None) -> None:
        """Take what a producer sends, and answer it when it is stored."""

    def note_refusal(self, connection: "Connection", text: str) -> None:
        """Take note that it was told that it may not do what it wants, or that what it says is none."""

    def give(self, connection: "Connection", header: Header) -> None:
        """Answer a consumer that asks for a payload."""

    def answer(self, connection: "Connection", request: HttpRequest) -> None:
        """Answer a request over HTTP."""

    def reserve(self, connection: "Connection", nbytes: int) -> bool:
        """Ask for memory; without, the connection is told to go on when there is some."""

    def release(self, nbytes: int) -> None:
        """Give it back."""


class Connection(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, desk: Desk) -> None:
        self.peer = ""
        """Where it comes from, without the port."""
        self.own = ""
        """``HOST:PORT`` of ours that it has connected to."""
        self.producer: Producer | None = None
        self.is_known = False
        """Whether it has asked for something that it may have."""
        self.has_asked = False
        """Whether a request of it was ever whole."""
        self.is_closed = False
        self.is_reader = False
        """Whether it has asked for payloads."""
        self.was_dropped = False
        """Whether it was ended from here."""
        self.came_at = 0.0
        self.patience = Patience()
        """How long it may be kept waiting."""
        self.began_at = 0.0
        """When what is being received, or sent, began; 0 while nothing is."""
        self.active_at = 0.0
        """When it was last heard."""
        self._desk = desk
        self._transport: asyncio.Transport | None = None
        self._scratch = bytearray(SCRATCH_BYTES)
        self._space = memoryview(self._scratch)
        self._start = self._end = 0
        self._http: HttpReader | None = None
        self._header: Header | None = None
        self._meta = bytearray()
        self._payload: NDArray[np.uint8] | None = None
        self._kept = np.empty(0, np.uint8)
        """The payload of the message before, whose memory is used again."""
        self._filled = 0
        self._is_too_large = False
        """Whether the payload that is coming was refused already."""
        self._reserved = 0
        self._wants_room = 0
        self._is_new = True
        self._is_busy = self._is_full = False
        self._pump: Pump | None = None
        self._closes = False

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        transport = cast("asyncio.Transport", transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        own = transport.get_extra_info("sockname")
        if own:
            self.own = f"[{own[0]}]:{own[1]}" if ":" in own[0] else f"{own[0]}:{own[1]}"
        self.began_at = self.came_at = self.active_at = asyncio.get_running_loop().time()
        if not self._desk.came(self):
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        del error
        self.is_closed = True
        if self._pump is not None:
            self._pump.close()
        self._give_back()
        self._desk.went(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where what comes next belongs."""
        del sizehint
        if self._payload is not None and self._start == self._end:
            return self._payload.data[self._filled :]
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == SCRATCH_BYTES:
            rest = self._end - self._start
            self._scratch[:rest] = self._scratch[self._start : self._end]
            self._start, self._end = 0, rest
        return self._space[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        self.active_at = asyncio.get_running_loop().time()
        if self._closes:  # what comes behind a request that was refused is none
            self._start = self._end = 0
            return
        if not self.began_at:
            self.began_at = self.active_at
        if self._payload is not None and self._start == self._end:
            self._filled += nbytes
            if self._filled == len(self._payload):
                self._whole()
            return
        self._end += nbytes
        self._go_on()

    def eof_received(self) -> bool:
        """Close when the other side does."""
        return False

    # --- what the server calls

    def room_is_there(self) -> None:
        """Go on with a payload that had to wait for memory."""
        wanted, self._wants_room = self._wants_room, 0
        self._reserved = wanted
        self._begin_payload(wanted)
        self._read_on()

    def reply(self, op: int, code: int, text: str = "", payload: memoryview | None = None) -> None:
        """Answer a binary request, and go on to the next."""
        self._closes = self._closes or (code in (Code.WRONG, Code.REFUSED) and self.producer is None)
        if self._closes or code in (Code.REFUSED, Code.INTERNAL):
            self._desk.note_refusal(self, text)
        self._answer(reply(op, code, text), payload)

    def respond(self, status: int, body: bytes | memoryview, *, keeps: bool) -> None:
        """Answer a request over HTTP, and go on to the next."""
        head = answer_head(status, len(body), keeps=keeps)
        self._closes = self._closes or not keeps
        self._answer(head, memoryview(body))

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is on its way."""
        return not self._is_busy

    @property
    def moved(self) -> int:
        """How many bytes of the payload that is being received, or sent, have come or gone."""
        return self._pump.sent if self._is_busy and self._pump is not None else self._filled

    def drop(self) -> None:
        """End it at once."""
        self.was_dropped = True
        if self._transport is not None:
            self._transport.abort()

    # --- receiving

    def _go_on(self) -> None:
        try:
            while self._start < self._end and not (self._is_busy or self._closes or self.is_closed):
                if self._http is None and self._is_new and self._scratch[self._start] not in _BINARY:
                    self._http = HttpReader()
                self._is_new = False
                if self._http is not None:
                    self._feed_http()
                elif not self._take_binary():
                    break
        except RemoteProtocolError as error:
            self._refuse(error)
        if self._end - self._start == SCRATCH_BYTES:  # it sends on though it was not answered
            self._is_full = True
            self._stop_reading()

    def _feed_http(self) -> None:
        assert self._http is not None
        data = bytes(self._space[self._start : self._end])
        self._start = self._end = 0
        requests = list(self._http.feed(data))
        if self._http.wants_continue:
            self._http.wants_continue = False
            self._write(CONTINUE)
        if len(requests) > 1:
            raise RemoteProtocolError("a request was sent before the one before it was answered")
        for request in requests:
            self._begin_work()
            self._desk.answer(self, request)

    def _take_binary(self) -> bool:
        """Take what is there of a binary request; return whether to go on."""
        there = self._end - self._start
        if self._header is None:
            if there < HEADER_BYTES:
                return False
            self._header = Header.parse(self._space[self._start : self._start + HEADER_BYTES])
            self._start += HEADER_BYTES
            self._check(self._header)
            self._meta = bytearray()
            there -= HEADER_BYTES
        header = self._header
        if len(self._meta) < header.meta_size:
            more = min(header.meta_size - len(self._meta), there)
            self._meta += self._space[self._start : self._start + more]
            self._start += more
            there -= more
            if len(self._meta) < header.meta_size:
                return False
        if not header.has_payload or not header.size:
            self._whole()
            return True
        if self._is_too_large:
            return self._skip(header, there)
        if self._payload is None and not self._make_room(header.size):
            return False
        assert self._payload is not None
        more = min(len(self._payload) - self._filled, there)
        self._payload[self._filled : self._filled + more] = np.frombuffer(self._scratch, np.uint8, more, self._start)
        self._filled += more
        self._start += more
        if self._filled == len(self._payload):
            self._whole()
        return True

    def _check(self, header: Header) -> None:
        if self.producer is None:
            if header.op == Op.READ:
                most = 0
            elif header.op == Op.AUTHORISE:
                most = _MOST_HELLO_BYTES
            else:
                raise RemoteProtocolError("who a producer is must be said first")
        elif header.op in (Op.DATA, Op.DATASET, Op.METADATA, Op.AUTHORISE):
            most = MOST_META_BYTES
        else:
            raise RemoteProtocolError(f"there is no operation {header.op} for producers")
        if header.meta_size > most:
            raise RemoteProtocolError(f"{header.meta_size} bytes of metadata are too many; at most {most}")
        most = MOST_META_BYTES if header.op == Op.METADATA else self._desk.most_message_bytes
        if header.has_payload and header.size > most:
            text = f"{header.size} bytes are too many at once; at most {most}"
            if header.size > MOST_SKIPPED_BYTES:
                raise RemoteProtocolError(text)
            self._desk.note_refusal(self, text)
            self._write(reply(header.op, Code.WRONG, text))
            self._is_too_large = True

    def _skip(self, header: Header, there: int) -> bool:
        """Receive a payload that was refused: who still sends when the connection is closed does not hear why."""
        more = min(header.size - self._filled, there)
        self._filled += more
        self._start += more
        if self._filled < header.size:
            return False
        self._is_too_large, self._header, self._filled, self.began_at = False, None, 0, 0.0
        return True

    def _make_room(self, nbytes: int) -> bool:
        if not self._desk.reserve(self, nbytes):
            self._wants_room = nbytes
            self._stop_reading()
            return False
        self._reserved = nbytes
        self._begin_payload(nbytes)
        return True

    def _begin_payload(self, nbytes: int) -> None:
        if not nbytes <= len(self._kept) <= 4 * nbytes + SCRATCH_BYTES:
            self._kept = np.empty(nbytes, np.uint8)
        self._payload, self._filled = self._kept[:nbytes], 0

    def _whole(self) -> None:
        """Hand on a request that is whole."""
        header, payload, meta = self._header, self._payload, bytes(self._meta)
        assert header is not None
        self._header = self._payload = None
        self._begin_work()
        if header.op == Op.AUTHORISE:
            self._desk.authorise(self, meta)
        elif header.op == Op.READ:
            self.is_reader = True
            self._desk.give(self, header)
        else:
            if header.has_payload and payload is None:
                payload = np.empty(0, np.uint8)
            self._desk.take(self, header, meta, payload)

    def _begin_work(self) -> None:
        self._is_busy = self.has_asked = True
        self._filled = 0
        self.began_at = 0.0

    def _refuse(self, error: PenstockError) -> None:
        """Say what is wrong with what came, and close."""
        self._is_busy = self.was_dropped = True
        self._desk.note_refusal(self, str(error))
        if self._http is not None:
            self.respond(400, str(error).encode(), keeps=False)
        else:
            op = self._header.op if self._header is not None else Op.AUTHORISE
            self._closes = True
            self._answer(reply(op & 0xFF, Code.WRONG, str(error)), None)

    # --- answering

    def _answer(self, head: bytes, rest: memoryview | None) -> None:
        transport = self._transport
        if self.is_closed or transport is None:
            return
        self._give_back()
        if rest is None or len(rest) <= SMALL_BYTES:
            transport.write(head if rest is None else head + rest)
            self._answered()
            return
        if transport.get_write_buffer_size():  # it does not even take what is small
            self.drop()
            return
        if self._pump is None:
            connected = transport.get_extra_info("socket").fileno()
            self._pump = Pump(asyncio.get_running_loop(), connected, self.drop)
        self.began_at = asyncio.get_running_loop().time()
        self._pump.send([memoryview(head), rest], self._answered)

    def _answered(self) -> None:
        """Go on to the next request."""
        self._is_busy = False
        self.began_at = 0.0
        if self._closes:
            if self._transport is not None:
                self._transport.close()
        elif self._is_full:
            self._is_full = False
            self._read_on()
        elif self._start < self._end:
            self._go_on()

    def _give_back(self) -> None:
        if self._reserved:
            self._desk.release(self._reserved)
            self._reserved = 0

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.is_closed:
            self._transport.write(data)

    def _stop_reading(self) -> None:
        if self._transport is not None and not self.is_closed:
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._transport is not None and not self.is_closed and not self._closes:
            self._transport.resume_reading()
            self._go_on()
