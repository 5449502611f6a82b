"""The memory file in which a child finds what it is to be, and in which it leaves what it has to say.

A file, not a message: arguments may be of any length, and a child that is killed while it writes blocks nobody.
"""

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.errors import ProcessError
from penstock.services.blob import write_blob
from penstock.wire.requests import StartRequest, decode, encode, encode_arguments

__all__ = ["REPORT_LIMIT", "Arguments", "read_report", "read_request", "write_paper", "write_report"]

REPORT_LIMIT = 65_536
"""Bytes of a report that are kept: the last ones, where a traceback names its error."""

Arguments = Mapping[str, Any] | msgspec.Struct  # Any: whatever msgspec encodes


def write_paper(
    name: str, function: str, arguments: Arguments, *, cpus: Collection[int] = (), is_captured: bool = False
) -> int:
    """Return a new memory file with a request in it, the caller's to close; see ``Processes.start``.

    Raises
    ------
    ProcessError
        If the function is not written ``module:function``, or can be imported by nobody else.
    TypeError
        If something in the arguments cannot be encoded.
    """
    module, _, place = function.partition(":")
    if not module or not place:
        raise ProcessError(f"{name}: {function!r} names no function; write module:function")
    if module == "__main__":
        raise ProcessError(f"{name}: {function} is in the script itself; put it in a file that can be imported")
    request = StartRequest(
        name=name,
        function=function,
        arguments=_encoded(name, arguments),
        path=tuple(str(Path(entry).absolute()) for entry in sys.path),
        cpus=tuple(sorted(cpus)),
        is_captured=is_captured,
    )
    return write_blob("paper", encode(request))


def read_request(paper: int) -> StartRequest:
    """Return what a child is to be, and free its memory; the report begins where the request ended."""
    size = os.fstat(paper).st_size
    request = decode(os.pread(paper, size, 0), StartRequest)
    os.ftruncate(paper, 0)
    # Behind the place of the request, so that who dies before it was read has left no report.
    os.lseek(paper, size, os.SEEK_SET)
    return request


def write_report(paper: int, text: str) -> None:
    """Leave a text; of a long one its end."""
    os.write(paper, text.encode(errors="backslashreplace")[-REPORT_LIMIT:])


def read_report(paper: int, begin: int) -> str:
    """Return what was left, given how long the request was; empty if nothing was."""
    return os.pread(paper, REPORT_LIMIT, begin).decode(errors="backslashreplace")


def _encoded(name: str, arguments: Arguments) -> msgspec.Raw:
    try:
        return encode_arguments(arguments)
    except TypeError as error:
        text = f"{name}: its arguments cannot travel: {error}; give it plain values or a msgspec.Struct"
        raise TypeError(text) from error
