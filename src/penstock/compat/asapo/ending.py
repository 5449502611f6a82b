"""The end of a stream, with all its parts, as its producer declares it; in any thread."""

from collections.abc import Sequence

from penstock.compat.asapo.lane import Ended, Lane
from penstock.compat.asapo.outcome import DUPLICATE, STORED, Outcome, outcome_of
from penstock.compat.asapo.wire import Code
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError
from penstock.streams.dataset import part_address, table_address
from penstock.streams.reading import ENDED
from penstock.streams.store import Store, StreamState

__all__ = ["end_stream"]


def end_stream(store: Store, base: StreamAddress, lanes: Sequence[Lane], ended: Ended) -> Outcome:
    """End a stream with all its parts; raises nothing."""
    try:
        parts = int((store.metadata(table_address(base)) or {}).get("parts", 0))
        addresses = [part_address(base, part) for part in range(1, parts + 1)] or [base]
        writers = {lane.address: lane for lane in lanes}
        largest = max(store.info(address).last_id for address in addresses)
        if largest > ended.last_id:
            return Outcome(
                Code.WRONG, f"{base} has message {largest}; it cannot end with {ended.last_id}: name the largest id"
            )
        are_ended = [_end_one(store, address, writers.get(address), ended) for address in addresses]
    except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
        return outcome_of(error)
    return DUPLICATE if all(are_ended) else STORED


def _end_one(store: Store, address: StreamAddress, lane: Lane | None, ended: Ended) -> bool:
    """End one stream; return whether it had ended so already."""
    info = store.info(address)
    if info.state in ENDED:
        if (info.state, info.next_stream) != (StreamState.FINISHED, ended.next_stream):
            raise ConflictError(f"{address} has ended already, and otherwise: {info.state} {info.next_stream}".rstrip())
        return True
    if lane is not None and lane.writer is not None:
        lane.writer.finish(ended.next_stream)
        lane.writer.close()
        lane.writer = None
    else:
        with store.write(address) as writer:
            writer.finish(ended.next_stream)
    return False
