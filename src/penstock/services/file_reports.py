"""How far the sources of a run in processes are that open files, as their processes have noted it."""

from collections.abc import Iterable

import msgspec

from penstock.monitor.report import FilesReport
from penstock.services.members import Member

__all__ = ["file_reports"]


def file_reports(members: Iterable[Member]) -> list[FilesReport]:
    """Return what each of them says that opens files, in their order; also of those whose process has ended."""
    noted = [member.look() for member in members if member.role == "source"]
    return [msgspec.msgpack.decode(each, type=FilesReport) for each in noted if each]
