"""What the commands on streams take alike, and how what is written there is opened and refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from penstock.core.stream_address import StreamAddress
    from penstock.errors import CheckError
    from penstock.streams.store import Store, StreamInfo

__all__ = [
    "DEFAULT_STORE",
    "STOPPED",
    "AddressArgument",
    "ForceOption",
    "JsonOption",
    "QuietOption",
    "StoreOption",
    "address_of",
    "existing",
    "must_be_free",
    "opened",
    "stream_of",
    "wrong",
]

DEFAULT_STORE = "./penstock-data"
STOPPED = 130

StoreOption = Annotated[
    str,
    typer.Option("--store", envvar="PENSTOCK_STORE", metavar="WHERE", help="The store: a folder, or tcp://HOST:PORT."),
]
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="The stream: beamtime/source/stream.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print for machines.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]


def wrong(where: str, text: str, remedy: str = "") -> "CheckError":
    """Return the error of a command line that is wrong at some place."""
    from penstock.errors import CheckError, Problem

    return CheckError([Problem(where=where, text=text, remedy=remedy)])


@contextmanager
def opened(where: str, *, make: bool = False, option: str = "--store") -> Iterator["Store"]:
    """Open a store while it is used.

    Raises
    ------
    CheckError
        If there is none; the text names the option.
    """
    from penstock.errors import IntegrityError, StoreFullError, StreamError
    from penstock.streams.store_at import store_at

    try:
        store = store_at(where, absent="make" if make else "refuse")
    except (IntegrityError, StoreFullError):
        raise
    except StreamError as error:
        raise wrong(option, str(error)) from error
    with store:
        yield store


def address_of(text: str, where: str = "ADDRESS") -> "StreamAddress":
    """Read the address of a beamtime, source or stream.

    Raises
    ------
    CheckError
        If it is none.
    """
    from penstock.core.stream_address import StreamAddress
    from penstock.errors import StreamError

    try:
        return StreamAddress.parse(text)
    except StreamError as error:
        raise wrong(where, str(error)) from error


def stream_of(text: str, where: str = "ADDRESS") -> "StreamAddress":
    """Read the address of a stream; as ``address_of``."""
    address = address_of(text, where)
    if not address.is_stream:
        raise wrong(where, f"{address} names no stream", "write beamtime/source/stream")
    return address


def existing(store: "Store", address: "StreamAddress") -> "StreamInfo":
    """Return how a stream is.

    Raises
    ------
    StreamError
        If it is not there.
    """
    from penstock.core.suggest import did_you_mean
    from penstock.errors import StreamError

    found = store.streams(address)
    if found:
        return found[0]
    others = [str(info.address) for info in store.streams(address.parent)]
    remedy = did_you_mean(str(address), others, otherwise="penstock streams ls shows those there are")
    raise StreamError(f"there is no stream {address}; {remedy}")


def must_be_free(path: Path, where: str, *, force: bool) -> None:
    """Make sure that nothing is written over.

    Raises
    ------
    CheckError
        If the file is there.
    """
    if path.exists() and not force:
        raise wrong(where, f"{path} exists", "choose another name, or write over it with --force")
