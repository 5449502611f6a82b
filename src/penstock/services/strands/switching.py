"""How soon a thread gets its turn while others compute: of pipelines with lanes sooner than Python's 5 ms.

An item that is urgent must be handed over by threads of ours while user code keeps the interpreter busy.
"""

import sys
import threading
from typing import Final

__all__ = ["SWITCH_S", "QuickSwitching", "switching"]

SWITCH_S: Final = 0.0005
"""Short beside an item of some milliseconds, and long beside what a switch takes."""


class QuickSwitching:
    """Keeps this process switching quickly while anybody wants it, then lets it be as it was before.

    >>> import sys
    >>> before, quick = sys.getswitchinterval(), QuickSwitching()
    >>> quick.begin(); quick.begin(); quick.end(); sys.getswitchinterval() <= SWITCH_S
    True
    >>> quick.end(); sys.getswitchinterval() == before
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._before_s = 0.0

    def begin(self) -> None:
        """Want it."""
        with self._lock:
            if not self._wanted:
                self._before_s = sys.getswitchinterval()
                sys.setswitchinterval(min(self._before_s, SWITCH_S))
            self._wanted += 1

    def end(self) -> None:
        """Want it no longer."""
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                sys.setswitchinterval(self._before_s)


switching: Final = QuickSwitching()
"""Of this process."""
