"""``penstock streams retain``: say what of a stream is kept, and remove what is too much."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    JsonOption,
    QuietOption,
    StoreOption,
    address_of,
    existing,
    opened,
    wrong,
)

if TYPE_CHECKING:
    from penstock.core.retention import Retained, Retention
    from penstock.core.stream_address import StreamAddress
    from penstock.streams.store import Store

__all__ = ["retain"]


def retain(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A stream, or a source: each of its streams.")],
    most: Annotated[str, typer.Option(metavar="SIZE", help="How much is kept at most, such as 8GB.")] = "",
    age: Annotated[str, typer.Option(metavar="TIME", help="What is older goes, such as 36h or 2d.")] = "",
    count: Annotated[int | None, typer.Option(metavar="N", min=0, help="How many of the newest are kept.")] = None,
    even_unread: Annotated[
        bool, typer.Option("--even-unread", help="Remove also what a pinned group has not acknowledged.")
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="Say nothing any more, and remove nothing.")] = False,
    store: StoreOption = DEFAULT_STORE,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what of a stream is kept from now on, and remove what is too much, oldest first.

    What is said takes the place of what was said before. Without a limit, what was said is done once more. Whole files
    are removed, and never one with a message that a pinned group has not acknowledged, unless told. At a server it is
    done within its time.

    Exit code 0, also if a group holds something; 1 there is no such stream, or nothing was said of it; 2 wrong as
    written.
    """
    from penstock.errors import StreamError
    from penstock.streams.kept_retention import RetainingStore, retention_for

    where = address_of(address)
    if not where.source:
        raise wrong("ADDRESS", f"{where} is a beamtime", "write beamtime/source, or beamtime/source/stream")
    retention = _retention(most, age, count, even_unread=even_unread)
    if off and retention is not None:
        raise wrong("--off", "a limit cannot be given with --off", "write one or the other")
    with opened(store) as opened_store:
        if where.is_stream and retention is None and not off:
            existing(opened_store, where)
        if off or retention is not None:
            _keep(opened_store, where, retention)
        elif (retention := retention_for(opened_store, where)) is None:
            raise StreamError(f"nothing was said of the retention of {where}; give --most, --age or --count")
        results: dict[str, Retained | str] = {}
        if not off and isinstance(opened_store, RetainingStore):
            results = {str(each): _retained(opened_store, each) for each in _streams(opened_store, where)}
    if as_json:
        _print_json(where, retention, results)
    elif not quiet:
        print(f"{where}: {shown_retention(retention)}")
        for each, result in results.items():
            print(f"  {each}: {result}")


def _retention(most: str, age: str, count: int | None, *, even_unread: bool) -> "Retention | None":
    from penstock.cli.streams.quantities import SIZES, TIMES, quantity_of
    from penstock.core.retention import Retention

    retention = Retention(
        nbytes=int(quantity_of(most, SIZES, "--most")) if most else None,
        age_s=quantity_of(age, TIMES, "--age") if age else None,
        count=count,
        even_unread=even_unread,
    )
    if even_unread and not retention.is_limited:
        raise wrong("--even-unread", "there is no limit beside it", "give --most, --age or --count as well")
    return retention if retention.is_limited else None


def _keep(store: "Store", where: "StreamAddress", retention: "Retention | None") -> None:
    """Say what is kept; on a disk so full that this cannot be noted, do it first."""
    import msgspec

    from penstock.errors import StoreFullError
    from penstock.streams.kept_retention import RetainingStore, set_retention

    try:
        set_retention(store, where, retention)
    except StoreFullError:
        if retention is None or not isinstance(store, RetainingStore):
            raise
        for each in _streams(store, where):
            store.retain(each, **msgspec.structs.asdict(retention))
        set_retention(store, where, retention)


def _streams(store: "Store", where: "StreamAddress") -> "Iterator[StreamAddress]":
    return (info.address for info in store.streams(where))


def _retained(store: Any, address: "StreamAddress") -> "Retained | str":  # a RetainingStore, which costs an import
    from penstock.errors import StreamError

    try:
        return store.retain(address)  # type: ignore[no-any-return]
    except StreamError as error:
        return f"not done: {error}"


def shown_retention(retention: "Retention | None") -> str:
    """Return what is kept, in words."""
    from penstock.cli.streams.shown import shown_size

    if retention is None or not retention.is_limited:
        return "everything is kept"
    limits = [
        f"{shown_size(retention.nbytes)} at most" if retention.nbytes is not None else "",
        f"no older than {retention.age_s:,g} s" if retention.age_s is not None else "",
        f"the newest {retention.count:,}" if retention.count is not None else "",
    ]
    unread = ", even unread by a pinned group" if retention.even_unread else ""
    return f"kept are {', '.join(filter(None, limits))}{unread}"


def _print_json(where: "StreamAddress", retention: "Retention | None", results: "dict[str, Retained | str]") -> None:
    from penstock.cli.streams.shown import printed_json

    print(printed_json({"address": str(where), "kept": retention, "streams": results}, indent=2))
