"""How a stream is, from its state and what is committed of it."""

import msgspec

from penstock.core.stream_address import StreamAddress
from penstock.streams.directory.committed import Committed
from penstock.streams.directory.state_file import StateFile, Totals
from penstock.streams.directory.stream_lock import is_locked
from penstock.streams.store import StreamInfo, StreamState

__all__ = ["closed_info", "closed_state", "open_info"]


def closed_info(address: StreamAddress, state: StateFile) -> StreamInfo:
    """Return how a stream is that was closed properly: its state says everything."""
    totals = state.totals
    return StreamInfo(
        address=address,
        state=StreamState.STALLED if state.made_ns and not state.has_ended else state.state,
        next_stream=state.next_stream,
        reason=state.reason,
        count=totals.count,
        removed=totals.begin,
        first_id=totals.first_id,
        last_id=totals.last_id,
        missing=totals.last_id - totals.written,
        nbytes=totals.nbytes,
        created_ns=state.first_ns or state.made_ns,
        last_ns=totals.last_ns,
    )


def open_info(address: StreamAddress, state: StateFile, committed: Committed) -> StreamInfo:
    """Return how a stream is that somebody writes, or whose writer was killed."""
    blocks, totals = committed.blocks, state.totals
    written, last_id = max(blocks.end, totals.written), max(blocks.last_id, totals.last_id)
    first_ns, last_ns = state.first_ns, totals.last_ns
    if len(blocks):
        first_ns = first_ns or blocks.header(blocks.first).appended_ns
        last_ns = blocks.header(blocks.stop - 1).appended_ns
    was_written = state.is_written or len(blocks) > 0
    is_stalled = was_written and not state.has_ended and not is_locked(committed.folder)
    return StreamInfo(
        address=address,
        state=StreamState.STALLED if is_stalled else state.state,
        next_stream=state.next_stream,
        reason=state.reason,
        count=blocks.count,
        removed=blocks.begin if len(blocks) else written,
        first_id=blocks.first_id,
        last_id=last_id,
        missing=last_id - written,
        nbytes=blocks.nbytes,
        created_ns=first_ns or state.made_ns,
        last_ns=last_ns,
    )


def closed_state(state: StateFile, committed: Committed, synced: int | None = None) -> StateFile:
    """Return the state of a stream that nobody writes any more; all of it is synced unless it is said how much."""
    info = open_info(StreamAddress("any"), state, committed)
    written = info.count + info.removed if not len(committed.blocks) else committed.blocks.end
    totals = Totals(
        written=written,
        synced=written if synced is None else synced,
        begin=info.removed,
        count=info.count,
        first_id=info.first_id,
        last_id=info.last_id,
        nbytes=info.nbytes,
        last_ns=info.last_ns,
    )
    first_ns = info.created_ns if info.last_ns else 0
    last_segment = max(state.last_segment, committed.last_segment)
    return msgspec.structs.replace(state, is_written=False, first_ns=first_ns, last_segment=last_segment, totals=totals)
