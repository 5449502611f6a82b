"""What the event builder leaves of a recorded run when its supervisor has gone."""

import os
from pathlib import Path

from penstock.core.stream_address import StreamAddress
from penstock.services.builder_process import BuilderProcess
from penstock.services.orders import BuilderOrder, RecordOrder
from penstock.services.progress import Progress
from penstock.streams.opened import opened_store
from penstock.streams.store import StreamState
from penstock.transport.seqpacket import Link
from penstock.wire.values import encode_value

LOG = "c1/event.log/r1"


def test_its_log_has_no_end_behind_a_supervisor_that_has_gone(tmp_path: Path) -> None:
    near, far = Link.pair()
    page = Progress.make("builder")
    record = RecordOrder(store="store", folder=str(tmp_path), log=LOG, sources=())
    order = BuilderOrder(
        pipeline="p", run="r1", started_ns=1, sources=(), joins=(), merges=(), stages=(), sinks=(),
        maps=encode_value({}), record=record,
    )  # fmt: skip
    builder = BuilderProcess(order, [os.dup(near.fileno()), os.dup(page.fd)])
    near.close()
    far.close()
    builder.live()
    page.close()
    with opened_store("store", tmp_path) as store:
        state = store.info(StreamAddress.parse(LOG)).state
    assert state is not StreamState.FINISHED, "it could not be written on, so the run not be resumed"
