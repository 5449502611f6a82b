"""How far a run has come, as everybody in its supervisor may know."""

import time
from dataclasses import dataclass

__all__ = ["Course"]


@dataclass(slots=True)
class Course:
    """What has happened to a run as a whole."""

    is_going: bool = False
    """Whether everybody was there, and it began."""
    has_finished: bool = False
    """Whether nothing more will be heard of it."""
    closing_s: float | None = None
    """Since when it is to close at once, on the monotonic clock."""
    ended_s: float | None = None
    """When everything was closed."""

    @property
    def is_closing(self) -> bool:
        """Whether it is to close at once, so that nobody follows anybody."""
        return self.closing_s is not None

    def close_soon(self) -> None:
        """Have it close at once."""
        if self.closing_s is None:
            self.closing_s = time.monotonic()
