"""``penstock streams info``: all that is known of a stream, or what was said of a beamtime or source."""

from typing import TYPE_CHECKING

from penstock.cli.streams.options import DEFAULT_STORE, AddressArgument, JsonOption, StoreOption, address_of, opened

if TYPE_CHECKING:
    from penstock.core.stream_address import StreamAddress
    from penstock.streams.store import Store, StreamInfo

__all__ = ["info"]


def info(address: AddressArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Say all that is known of a stream: its state, how much there is, gaps in its ids, and what was said of it.

    Of a beamtime or source, what was said of it and how many streams it has. Exit code 0; 1 if there is no such
    stream; 2 wrong as written.
    """
    where = address_of(address)
    with opened(store) as opened_store:
        if where.is_stream:
            _stream(opened_store, where, as_json=as_json)
        else:
            _above(opened_store, where, as_json=as_json)


def _stream(store: "Store", address: "StreamAddress", *, as_json: bool) -> None:
    from penstock.cli.streams.options import existing
    from penstock.cli.streams.retain import shown_retention
    from penstock.cli.streams.shown import info_tree, one_line, printed_json
    from penstock.streams.gaps import gaps_of
    from penstock.streams.kept_retention import pinned_groups, retention_for

    found = existing(store, address)
    metadata = store.metadata(address)
    retention, pinned = retention_for(store, address), pinned_groups(store, address)
    with store.read(address) as reader:
        gaps = gaps_of(reader)
    if as_json:
        missing = {"ranges": gaps.ranges, "is_complete": gaps.is_complete, "trouble": gaps.trouble}
        print(
            printed_json(
                {**info_tree(found), "gaps": missing, "kept": retention, "pinned": pinned, "metadata": metadata},
                indent=2,
            )
        )
        return
    more = {
        "not there": str(gaps),
        "kept": "" if retention is None else shown_retention(retention).removeprefix("kept are "),
        "pinned": ", ".join(map(one_line, pinned)),
        "metadata": printed_json(metadata, indent=2) if metadata else "none",
    }
    _print(found, more)


def _print(found: "StreamInfo", more: dict[str, str]) -> None:
    from penstock.cli.streams.shown import shown_size, shown_time

    ids = f"{found.first_id} to {found.last_id}" if found.count else "none"
    facts = {
        "state": found.state + (f": {found.reason}" if found.reason else ""),
        "next": found.next_stream,
        "messages": f"{found.count:,}",
        "removed": f"{found.removed:,}" if found.removed else "",
        "ids": ids + (f", {found.missing:,} never came" if found.missing else ""),
        "size": f"{shown_size(found.nbytes)} ({found.nbytes:,} bytes)",
        "created": f"{shown_time(found.created_ns)} UTC" if found.created_ns else "",
        "last": f"{shown_time(found.last_ns)} UTC" if found.last_ns else "",
        **more,
    }
    print(found.address)
    for name, value in facts.items():
        if value:
            print(f"  {name:9}  " + value.replace("\n", f"\n{'':13}"))


def _above(store: "Store", address: "StreamAddress", *, as_json: bool) -> None:
    from penstock.cli.streams.shown import printed_json, shown_count, shown_size
    from penstock.errors import StreamError

    streams, metadata = store.streams(address), store.metadata(address)
    if not streams and metadata is None:
        raise StreamError(f"nothing is known of {address}; penstock streams ls shows the streams there are")
    messages, nbytes = sum(each.count for each in streams), sum(each.nbytes for each in streams)
    if as_json:
        facts = {"streams": len(streams), "count": messages, "nbytes": nbytes, "metadata": metadata}
        print(printed_json({"address": str(address), **facts}, indent=2))
        return
    print(f"{address}: {shown_count(len(streams), 'stream')}, {shown_count(messages, 'message')}, {shown_size(nbytes)}")
    print(printed_json(metadata, indent=2) if metadata else "no metadata")
