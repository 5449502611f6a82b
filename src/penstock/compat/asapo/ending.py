"""The end of a stream, with all its parts, as its producer declares it; in any thread.

A producer may name a larger last id than any that has come. That is kept with the stream, as consumers are told it.
"""

from collections.abc import Sequence

from penstock.compat.asapo.lane import Ended, Lane
from penstock.compat.asapo.outcome import DUPLICATE, STORED, Outcome, outcome_of
from penstock.compat.asapo.wire import Code
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError
from penstock.streams.dataset import part_address, table_address
from penstock.streams.declared_end import declare_last_id, declared_last_id
from penstock.streams.reading import ENDED
from penstock.streams.store import Store, StreamInfo, StreamState

__all__ = ["end_stream"]


def end_stream(store: Store, base: StreamAddress, lanes: Sequence[Lane], ended: Ended) -> Outcome:
    """End a stream with all its parts; raises nothing."""
    try:
        parts = int((store.metadata(table_address(base)) or {}).get("parts", 0))
        addresses = [part_address(base, part) for part in range(1, parts + 1)] or [base]
        infos = [store.info(address) for address in addresses]
        largest = max(info.last_id for info in infos)
        if largest > ended.last_id:
            return Outcome(
                Code.WRONG, f"{base} has message {largest}; it cannot end with {ended.last_id}: name the largest id"
            )
        for info in infos:
            _check_end(info, ended)
        if all(info.state in ENDED for info in infos):
            _check_last_id(base, max(largest, declared_last_id(store, base)), ended)
            return DUPLICATE
        declare_last_id(store, base, ended.last_id if ended.last_id > largest else 0)  # before the end is seen
        writers = {lane.address: lane for lane in lanes}
        for info in infos:
            if info.state not in ENDED:
                _end_one(store, info.address, writers.get(info.address), ended)
    except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
        return outcome_of(error)
    return STORED


def _check_end(info: StreamInfo, ended: Ended) -> None:
    """Make sure that a stream has not ended otherwise."""
    if info.state in ENDED and (info.state, info.next_stream) != (StreamState.FINISHED, ended.next_stream):
        raise ConflictError(
            f"{info.address} has ended already, and otherwise: {info.state} {info.next_stream}".rstrip()
        )


def _check_last_id(base: StreamAddress, last_id: int, ended: Ended) -> None:
    if ended.last_id != last_id:
        raise ConflictError(f"{base} has ended already, and with {last_id} as its last id, not {ended.last_id}")


def _end_one(store: Store, address: StreamAddress, lane: Lane | None, ended: Ended) -> None:
    if lane is not None and lane.writer is not None:
        lane.writer.finish(ended.next_stream)
        lane.writer.close()
        lane.writer = None
    else:
        with store.write(address) as writer:
            writer.finish(ended.next_stream)
