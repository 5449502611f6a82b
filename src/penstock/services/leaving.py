"""How notices and feedback leave a child: over the link that it shares with its siblings.

Notices wait for room only at its end, feedback always. It runs in the child only.
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from penstock.core.feedback import Said
from penstock.core.notice import Notice
from penstock.errors import StateError
from penstock.wire.notices import Unkept, encode_notice

__all__ = ["leaving"]

LAST_S: Final = 1.0
"""How long a process that ends waits for room to say what it has held back, and how many were not kept."""
PATIENCE_S: Final = 30.0
"""How long feedback waits for a supervisor that takes nothing."""
_AT_ONCE: Final = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


@contextmanager
def leaving(fd: int, name: str) -> Iterator[None]:
    """Let notices leave by this descriptor, a link's, while something runs, and what was held back at its end.

    Parameters
    ----------
    fd
        Below 0: nobody hears them, and nothing is imported.
    name
        Of the process: the source of what does not name its own.
    """
    if fd < 0:
        yield
        return
    # A child that raises none needs it all the same; those of runs have it from the process that forked them.
    from penstock.monitor.notice import Outlet, close_outlet, open_outlet

    link = socket.socket(fileno=fd)
    flags = _AT_ONCE

    def send(said: Notice | Unkept) -> bool:
        try:
            # Not through a Link: several threads may raise notices at once, and the kernel keeps messages apart.
            link.send(encode_notice(said), flags)
        except BlockingIOError:
            return False
        except TimeoutError:  # at the end, and nobody reads: the rest is not waited for again
            link.settimeout(0)
            return False
        except OSError:  # the supervisor has gone: nobody will hear it
            return True
        return True

    def send_feedback(said: Said) -> None:
        data, until_s = encode_notice(said), time.monotonic() + PATIENCE_S
        while True:
            try:
                link.send(data, _AT_ONCE)
            except BlockingIOError:
                # Siblings share the link, and one may be quicker than who was told that there is room.
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    text = f"feedback {said.action!r} was not taken for {PATIENCE_S:g} s; the supervisor hangs"
                    raise StateError(text) from None
                select.select([], [link], [], min(left_s, LAST_S))
                continue
            except OSError:  # the supervisor has gone: nobody will hear it
                return
            return

    outlet = Outlet(name, send, lambda source, count: send(Unkept(source, count)), send_feedback=send_feedback)
    open_outlet(outlet)
    try:
        yield
    finally:
        # All siblings end together, and what is said last, nobody else knows: now it is waited for room.
        link.settimeout(LAST_S)
        flags = int(socket.MSG_NOSIGNAL)
        outlet.flush(all_of_it=True)
        close_outlet(outlet)
