"""The connection of a client to a store server: requests in, answers out, and a new connection when one breaks.

Two threads of its own: one connects, sends again what was not answered, and pings; one receives. Neither ever waits
for who uses it: what is received is bounded by what was asked for.
"""

import itertools
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from penstock.errors import PenstockError, RemoteProtocolError, ServiceError, StateError
from penstock.streams.remote_call import Call, OnceCall, OpenCall, away
from penstock.transport.address import host_and_port
from penstock.transport.link import Link, Piece, connect_link
from penstock.wire import stream_requests as say
from penstock.wire.refusals import error_of
from penstock.wire.stream_frames import Frame, FrameReader, frame_bytes

__all__ = ["RemoteConnection"]

_FIRST_RETRY_S: Final = 0.05
_LAST_RETRY_S: Final = 2.0
_LONGEST_BEGIN_S: Final = 10.0
"""Until a server has taken the connection and answered the hello."""
_NEVER_SEEN_S: Final = 5.0
"""How long to try at most before it was there once: more likely than a server away is an address that is wrong."""


class RemoteConnection:
    """A connection that is made again by itself; may be used from several threads.

    Parameters
    ----------
    address
        ``tcp://host:port``.
    token
        Gives it, each time one is needed; never kept in a text.
    name
        Of this client, for texts of the server.
    patience_s
        How long the server may be away before requests fail, in s.
    silence_s
        After what silence the other side is taken for gone, in s.

    Raises
    ------
    ServiceError
        If the server cannot be reached in time, or refuses.
    """

    def __init__(
        self,
        address: str,
        token: Callable[[], str],
        *,
        name: str,
        tls: ssl.SSLContext | None,
        patience_s: float,
        silence_s: float,
        must_be_there: bool = True,
    ) -> None:
        self.address = address
        self._place = host_and_port(address)
        self._token, self._name, self._tls = token, name, tls
        self._patience_s, self._silence_s = patience_s, silence_s
        self.welcome: say.Welcome | None = None
        """What the server said of itself, last time."""
        self._numbers = itertools.count(1)
        self._lock = threading.Condition()  # of all that follows
        self._calls: dict[int, Call] = {}
        self._link: Link | None = None
        self._begun: Link | None = None  # the same, or one that nobody has answered yet
        self._unanswered = 0
        self._is_closed = False
        self._later: deque[tuple[int, say.Request]] = deque()
        self._receiver: threading.Thread | None = None
        self._fatal: PenstockError | None = None
        self._down_since = time.monotonic()
        self._why = "it never answered"
        self._connections = 0
        self._sending = threading.Lock()  # taken before _lock where both are needed
        self._keeper = threading.Thread(target=self._keep, name=f"stream connection {address}", daemon=True)
        self._keeper.start()
        if must_be_there:
            self._await_first()

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._link is not None

    @property
    def connections(self) -> int:
        """How often a connection was made."""
        return self._connections

    def send(self, call: Call) -> None:
        """Ask for something; it is sent again when the connection breaks before it is answered.

        Waits while more than the server's window of bytes is unanswered.

        Raises
        ------
        StateError
            If this is closed.
        ServiceError
            If the server refuses this client.
        """
        nbytes = call.nbytes
        with self._lock:
            while self._unanswered and self._unanswered + nbytes > self._window and not self._is_closed:
                self._lock.wait()
        with self._sending:
            with self._lock:
                if self._is_closed:
                    raise StateError(f"the connection to {self.address} is closed")
                if self._fatal is not None:
                    raise self._fatal
                if time.monotonic() - self._down_since > self._patience_s and self._link is None:
                    raise away(self.address, self._patience_s, self._why)
                call.number = call.number or next(self._numbers)
                self._calls[call.number] = call
                self._unanswered += nbytes
                link = self._link
            if link is not None:
                self._write(link, call.number, call.head(is_again=False), call.body)

    def tell(self, number: int, request: say.Request) -> None:
        """Say something that is not answered, if the connection stands; it belongs to this connection only."""
        if threading.current_thread() is self._receiver:
            # Nor must this one wait for a sender, when Python clears up in it what others have left.
            with self._lock:
                self._later.append((number, request))
                self._lock.notify_all()
            return
        with self._sending:
            link = self._link
            if link is not None:
                self._write(link, number, request, ())

    def request(self, request: say.Request, *body: Piece) -> OnceCall:
        """Send a request; wait for its result, or do something else first."""
        call = OnceCall(request, body)
        self.send(call)
        return call

    def wait_until_up(self, is_enough: Callable[[], bool]) -> bool:
        """Wait until the connection stands, or it is enough, which ``wake`` looks at; return whether it stands."""
        with self._lock:
            self._lock.wait_for(lambda: self.is_up or self._is_closed or self._fatal is not None or is_enough())
            return self.is_up

    def wake(self) -> None:
        """Let those in ``wait_until_up`` look again."""
        with self._lock:
            self._lock.notify_all()

    def forget(self, number: int) -> None:
        """Do not send something again any more."""
        with self._lock:
            self._drop(number)

    def close(self) -> None:
        """End it; what waits fails."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._lock.notify_all()
            if self._begun is not None:
                self._begun.shutdown()
        self._keeper.join()
        self._fail_all(StateError(f"the connection to {self.address} is closed"), kept_too=True)

    @property
    def _window(self) -> int:
        return self.welcome.window if self.welcome is not None else 1 << 20

    def _await_first(self) -> None:
        longest_s = min(self._patience_s, _NEVER_SEEN_S)
        with self._lock:
            is_there = self._lock.wait_for(lambda: self.welcome is not None or self._fatal is not None, longest_s)
        if is_there and self._fatal is None:
            return
        self.close()
        raise self._fatal or away(self.address, longest_s, self._why)

    def _write(self, link: Link, number: int, request: say.Request, body: Sequence[Piece]) -> None:
        """Send one frame; a connection that breaks is seen by who receives. Under ``_sending``."""
        try:
            link.send([frame_bytes(number, say.encode_head(request), *body), *body])
        except OSError:
            link.shutdown()

    # The thread that keeps the connection.

    def _keep(self) -> None:
        retry_s = _FIRST_RETRY_S
        while not self._is_closed and self._fatal is None:
            try:
                link, frames = self._connect()
            except ServiceError as error:  # it answers, and wants nothing of us
                self._refused(error)
                return
            except (OSError, RemoteProtocolError) as error:
                self._why = str(error)
                self._grow_impatient()
                with self._lock:
                    self._lock.wait_for(lambda: self._is_closed, retry_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
                continue
            retry_s = _FIRST_RETRY_S
            ended = threading.Event()
            receiver = threading.Thread(
                target=self._receive, args=(link, frames, ended), name=f"stream receiver {self.address}", daemon=True
            )
            self._receiver = receiver
            receiver.start()
            self._restore(link, ended)
            self._ping_while_up(ended)
            link.shutdown()
            receiver.join()
            link.close()

    def _connect(self) -> tuple[Link, FrameReader]:
        begin_s = min(self._patience_s, self._silence_s, _LONGEST_BEGIN_S)
        try:
            link = connect_link(
                self._place, tls=self._tls, connect_s=begin_s, receive_s=begin_s, send_s=self._silence_s,
            )  # fmt: skip
        except ssl.SSLCertVerificationError as error:
            raise ServiceError(f"{self.address}: its certificate is not trusted: {error.verify_message}") from error
        except socket.gaierror as error:
            raise OSError(f"host {self._place[0]!r} is not known: {error.strerror}") from error
        self._begun = link
        try:
            if self._is_closed:
                raise OSError("this client is closed")
            head = say.encode_head(say.Hello(say.VERSION, self._token(), self._name))
            link.send([frame_bytes(0, head)])
            frames = FrameReader()
            while True:
                nbytes = link.receive_into(frames.space())
                if not nbytes:
                    raise OSError("it closed the connection before it said anything")
                for frame in frames.received(nbytes):
                    answer = say.open_answer(frame.head)
                    if isinstance(answer, say.Refusal):
                        told = error_of(answer)
                        raise told if isinstance(told, ServiceError) else ServiceError(str(told))
                    if not isinstance(answer, say.Welcome):
                        raise RemoteProtocolError(f"the first answer must be a welcome, not {type(answer).__name__}")
                    self.welcome = answer
                    link.receive_s = self._silence_s
                    return link, frames
        except BaseException:
            link.close()
            raise

    def _restore(self, link: Link, ended: threading.Event) -> None:
        """Say again what is not answered, in the order in which it was said first; then others may send."""
        with self._sending:
            with self._lock:
                calls = [self._calls[number] for number in sorted(self._calls)]
                is_again = self._connections > 0
                self._connections += 1
                if ended.is_set():  # it broke already
                    return
                self._link = link
                self._later.clear()
                self._lock.notify_all()
            for call in calls:
                self._write(link, call.number, call.head(is_again=is_again), call.body)

    def _ping_while_up(self, ended: threading.Event) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._is_closed or ended.is_set() or self._later, self._silence_s / 3)
                if self._is_closed or ended.is_set():
                    return
                due = list(self._later) or [(0, say.Ping())]
                self._later.clear()
            for number, request in due:
                self.tell(number, request)

    def _grow_impatient(self) -> None:
        if time.monotonic() - self._down_since > self._patience_s:
            self._fail_all(away(self.address, self._patience_s, self._why), kept_too=False)

    def _refused(self, error: PenstockError) -> None:
        with self._lock:
            self._fatal = error
            self._lock.notify_all()
        self._fail_all(error, kept_too=True)

    def _fail_all(self, error: PenstockError, *, kept_too: bool) -> None:
        with self._lock:
            failed = [call for call in self._calls.values() if kept_too or not _is_open(call)]
            for call in failed:
                self._drop(call.number)
        for call in failed:
            call.failed(error)

    def _drop(self, number: int) -> None:
        call = self._calls.pop(number, None)
        if call is not None and call.nbytes:
            self._unanswered -= call.nbytes
            self._lock.notify_all()

    # The thread that receives.

    def _receive(self, link: Link, frames: FrameReader, ended: threading.Event) -> None:
        try:
            while nbytes := link.receive_into(frames.space()):
                for frame in frames.received(nbytes):
                    self._dispatch(frame)
            self._why = "it closed the connection"
        except (OSError, PenstockError) as error:
            self._why = str(error)
        finally:
            link.shutdown()
            with self._lock:
                self._down_since = time.monotonic()
                ended.set()
                self._link = None
                self._lock.notify_all()

    def _dispatch(self, frame: Frame) -> None:
        answer = say.open_answer(frame.head)
        if not frame.number:
            self._take_word(answer)
            return
        call = self._calls.get(frame.number)
        if call is None:  # of a feed that was closed meanwhile
            return
        if call.answered(answer, frame):
            with self._lock:
                self._drop(frame.number)

    def _take_word(self, answer: say.Answer) -> None:
        if isinstance(answer, say.Ping):
            self.tell(0, say.Pong())
        elif isinstance(answer, say.Refusal):
            raise error_of(answer)


def _is_open(call: Call) -> bool:
    return call.is_kept and (not isinstance(call, OpenCall) or call.is_done)
