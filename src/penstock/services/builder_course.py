"""How far a run has come, as everybody in its event builder may know."""

from dataclasses import dataclass

__all__ = ["BuilderCourse"]


@dataclass(slots=True)
class BuilderCourse:
    """What has happened to a run as a whole; each thing happens once, and is never undone."""

    is_going: bool = False
    """Whether everybody was there, and it began."""
    is_stopping: bool = False
    """Whether nothing more is read, so that what can be formed is."""
    is_failing: bool = False
    """Whether only what stands before a failure is brought out."""
    is_closing: bool = False
    """Whether everybody was told to close."""
    is_settled: bool = False
    """Whether the books are closed; what comes behind that is in them as aborted."""
    has_ended: bool = False
    """Whether it is reported to its end; not if only the supervisor has gone, behind whom it may be resumed."""

    @property
    def is_ending(self) -> bool:
        """Whether nothing more is read."""
        return self.is_stopping or self.is_failing or self.is_closing
