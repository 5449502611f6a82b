"""A link: two processes of this machine that send each other short messages and descriptors, and notice a death.

A message arrives whole or not at all, and in order. A link does not know what messages mean.
"""

import array
import os
import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from penstock.errors import PenstockError, RemoteProtocolError

__all__ = ["LIMIT", "MAX_FDS", "Link", "Received"]

LIMIT = 200_000
"""Bytes of a message at most. A socket takes one that is 32 bytes shorter than its buffer, 212,992 by default."""
MAX_FDS = 253
"""Descriptors in one message at most: the kernel's ``SCM_MAX_FD``."""

_BUFFER = 212_992
"""What every Linux allows (``net.core.wmem_max``) unless somebody lowered it; the kernel doubles it."""
_MAX_PARTS = 1024
"""``IOV_MAX`` of Linux."""
# Plain numbers: combining Python's own costs more than the system call.
_SEND = int(socket.MSG_NOSIGNAL)
_RECEIVE = int(socket.MSG_CMSG_CLOEXEC)
_AT_ONCE = int(socket.MSG_DONTWAIT)
_TOO_LONG = int(socket.MSG_TRUNC)
_LOST = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
_ANCILLARY = socket.CMSG_SPACE(MAX_FDS * array.array("i").itemsize)

Buffer = bytes | bytearray | memoryview


class Received(NamedTuple):
    """One message."""

    data: bytes
    fds: tuple[int, ...]
    """Descriptors that came with it: the receiver's to close. A child program does not inherit them."""


class Link:
    """One end of a link; one thread sends and one receives.

    Trap: the death of the other side is noticed when *nobody* has its end any more. After a fork, close in each process
    the end that is the other's.

    Parameters
    ----------
    end
        A connected ``SOCK_SEQPACKET`` Unix socket, or the descriptor of one; the link's from now on.
    patience_s
        How long ``send`` waits for room, in s, at least 0.001. With credits (``room``) it never has to: an end that
        reads nothing for so long hangs.

    Raises
    ------
    PenstockError
        If this machine allows no buffer that takes ``LIMIT``.
    """

    def __init__(self, end: socket.socket | int, *, patience_s: float = 10.0) -> None:
        self._socket = end if isinstance(end, socket.socket) else socket.socket(fileno=end)
        self.patience_s = max(patience_s, 0.001)  # to the kernel, 0 is for ever
        self.is_ended = False
        """Whether the other side has gone and everything it sent was received."""
        self._view = memoryview(bytearray(LIMIT))
        self._whole = [self._view]
        try:
            self._prepare()
        except BaseException:
            self._socket.close()
            raise

    @classmethod
    def pair(cls, *, patience_s: float = 10.0) -> tuple[Self, Self]:
        """Return both ends of a new link."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            first = cls(one, patience_s=patience_s)
        except BaseException:
            other.close()
            raise
        try:
            return first, cls(other, patience_s=patience_s)
        except BaseException:
            first.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, for a poller or to be passed on; -1 once closed."""
        return self._socket.fileno()

    def room(self, nbytes: int) -> int:
        """Return how many messages of at most so many bytes can lie unread without the sender having to wait.

        One way of the link; the other has as much.
        """
        # What the kernel charges, seen on Linux 6.18: small ones rounded up to a power of two, large ones by up to
        # 37 kB, and about 770 bytes on top. It takes one more while anything is left of the buffer.
        charged = nbytes + min(nbytes, 40_960) + 1_024
        return (self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 1) // charged + 1

    def send(self, message: Buffer | Sequence[Buffer], fds: Sequence[int] = ()) -> None:
        """Send one message, made of one part or several.

        Parameters
        ----------
        message
            1 to ``LIMIT`` bytes altogether.
        fds
            Descriptors that the other side gets too, at most ``MAX_FDS``; those here stay open.

        Raises
        ------
        ValueError
            If the message is empty or too long, or has too many descriptors; nothing was sent.
        BrokenPipeError
            If the other side has gone. What it sent before can still be received.
        TimeoutError
            If there was no room for ``patience_s``; nothing was sent.
        """
        if not self._send(message, fds, _SEND):
            raise TimeoutError(
                f"the other side of a link took nothing for {self.patience_s:g} s; it hangs, or it was sent more "
                "messages than it has given credits for"
            )

    def try_send(self, message: Buffer | Sequence[Buffer], fds: Sequence[int] = ()) -> bool:
        """Send one message if there is room now and return whether there was; else as ``send``."""
        return self._send(message, fds, _SEND | _AT_ONCE)

    def receive(self, max_bytes: int = LIMIT) -> Received | None:
        """Wait for the next message; ``None`` when the other side has gone and nothing is left.

        A dead other side ends this at once; one that hangs does not: use a poller where it may.

        Parameters
        ----------
        max_bytes
            How long a message may be.

        Raises
        ------
        RemoteProtocolError
            If it was longer, or its descriptors did not fit into this process's limit; it is lost.
        """
        return self._receive(max_bytes, _RECEIVE)

    def try_receive(self, max_bytes: int = LIMIT) -> Received | None:
        """Return the next message if one lies ready; else ``None``, and ``is_ended`` says whether one may come."""
        try:
            return self._receive(max_bytes, _RECEIVE | _AT_ONCE)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Close this end; messages that lie in it unread are lost. May be called again."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        if (self._socket.family, self._socket.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            raise PenstockError("a link needs a SOCK_SEQPACKET Unix socket")
        self._socket.setblocking(True)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        largest = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 32
        if largest < LIMIT:
            raise PenstockError(
                f"this machine lets a socket send {largest} bytes at once, and {LIMIT} are needed; "
                f"as root: sysctl -w net.core.wmem_max={_BUFFER}"
            )
        # The kernel's own time limit: a socket with Python's needs a poll before every call.
        whole, part = divmod(round(self.patience_s * 1_000_000), 1_000_000)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", whole, part))

    def _send(self, message: Buffer | Sequence[Buffer], fds: Sequence[int], flags: int) -> bool:
        """Send; false if there was no room, now or for long enough."""
        parts = [message] if isinstance(message, (bytes, bytearray, memoryview)) else message
        nbytes = len(message) if type(message) is bytes else _nbytes(parts)
        if not 0 < nbytes <= LIMIT:
            raise ValueError(f"a message of {nbytes} bytes; a link takes 1 to {LIMIT}: split what it describes")
        if len(fds) > MAX_FDS:
            raise ValueError(f"{len(fds)} descriptors with one message; a link takes {MAX_FDS}: send several")
        if len(parts) > _MAX_PARTS:
            parts = [b"".join(parts)]
        try:
            if fds:
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                self._socket.sendmsg(parts, ancillary, flags)
            elif len(parts) == 1:
                self._socket.send(parts[0], flags)
            else:
                self._socket.sendmsg(parts, (), flags)
        except BlockingIOError:
            return False
        except ConnectionResetError as error:  # it went with messages of ours unread
            raise BrokenPipeError(error.errno, "the other side of the link has gone") from error
        return True

    def _receive(self, max_bytes: int, flags: int) -> Received | None:
        if not 0 < max_bytes <= LIMIT:
            raise ValueError(f"messages of at most {max_bytes} bytes; a link takes 1 to {LIMIT}")
        room = self._whole if max_bytes == LIMIT else [self._view[:max_bytes]]
        try:
            size, ancillary, found, _ = self._socket.recvmsg_into(room, _ANCILLARY, flags)
        except ConnectionResetError:
            # Said once, before what is still to be received, when the other side went with messages of ours unread.
            size, ancillary, found, _ = self._socket.recvmsg_into(room, _ANCILLARY, flags)
        fds = _descriptors(ancillary) if ancillary else ()
        if found & _LOST:
            for fd in fds:
                os.close(fd)
            what = (
                f"a message of more than {max_bytes} bytes"
                if found & _TOO_LONG
                else "more descriptors than this process may open (see `ulimit -n`)"
            )
            raise RemoteProtocolError(f"{what} came over a link; it is lost")
        if not size:
            self.is_ended = True
            return None
        # A copy, because messages are decoded to views; a buffer of this size for each would cost 16 µs of malloc.
        return Received(bytes(self._view[:size]), fds)


def _nbytes(parts: Sequence[Buffer]) -> int:
    return sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)


def _descriptors(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, ...]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return tuple(found)
