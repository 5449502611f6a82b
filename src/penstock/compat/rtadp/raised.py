"""What a process of rta-dp tells its monitor is raised as a notice of the pipeline, too.

So it shows in ``penstock top`` and stands in the journal, whether rta-dp's own monitor listens or not.
"""

from penstock.compat.rtadp.messages import Notice
from penstock.monitor.notice import notice

__all__ = ["raised"]


def raised(said: Notice) -> None:
    """Raise it under the same name; ``severity`` is rta-dp's level, a number that its users choose."""
    notice(said.message, level=said.kind, code=said.code, source=said.pidsource, severity=said.level)
