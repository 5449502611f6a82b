"""ASAPO's receiver: who a producer is, where its files belong, and what it sends made into messages of ours.

On the loop's thread; looking for a beamtime's folders, files and metadata are the work of other threads.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo.authority import Authority
from penstock.compat.asapo.beamtime_files import BeamtimeFiles
from penstock.compat.asapo.beamtime_folders import AUTO, BeamtimeFolders
from penstock.compat.asapo.beamtimes import Beamtime, wanted_path
from penstock.compat.asapo.incoming import Incoming
from penstock.compat.asapo.jobs import Jobs
from penstock.compat.asapo.lane import Ended, Sent
from penstock.compat.asapo.outcome import Outcome, Told, outcome_of
from penstock.compat.asapo.records import checked_metadata, metadata_of
from penstock.compat.asapo.wire import (
    BEAMTIME_META,
    LARGEST_ID,
    Authorisation,
    Code,
    Header,
    MetadataWish,
    Mode,
    Op,
    is_recorded,
    json_value,
    next_stream_of,
)
from penstock.core.stream_address import StreamAddress
from penstock.errors import BeamtimeError, ServiceError, StreamError
from penstock.streams.dataset import check_stream_name
from penstock.streams.store import Store

__all__ = ["Producer", "Receiver", "refused"]

MODES: Final = frozenset((2, 5, 9, 10, 13, 18, 21, 29))
"""Those that clients send."""
MOST_PARTS: Final = 4096
_SOURCE: Final = "detector"
LOOK_S: Final = 1.0
"""How often it is looked which beamtime a beamline has now."""

PASSING_S: Final = 10.0
"""For how long it is looked again where what is current changes just now."""
AGAIN_S: Final = 0.5


class Producer:
    """Who a connection has said it is, and where it writes."""

    __slots__ = ("beamtime", "looked", "said", "source")

    def __init__(self, said: Authorisation, source: StreamAddress, beamtime: Beamtime | None, looked: float) -> None:
        self.said = said
        self.source = source
        """Of the streams that it writes."""
        self.beamtime = beamtime
        """Where its files belong; ``None`` where none are written."""
        self.looked = looked

    def is_stale(self, now: float) -> bool:
        """Tell whether the beamline may have another beamtime by now: then other files are written, or none."""
        is_of_now = self.said.beamtime in ("", AUTO) or (self.beamtime is not None and bool(self.beamtime.online))
        return is_of_now and now - self.looked > LOOK_S


class Receiver:
    """What producers ask for.

    Parameters
    ----------
    jobs
        Do what takes time.
    folders
        Say where beamtimes have their folders; ``None``: no files are written, and no beamtime is looked for.
    clock
        Gives s that never go back.
    """

    def __init__(
        self,
        store: Store,
        incoming: Incoming,
        authority: Authority,
        jobs: Jobs,
        folders: BeamtimeFolders | None,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._incoming, self._authority, self._jobs = store, incoming, authority, jobs
        self._folders, self._clock = folders, clock
        self._files = None if folders is None else BeamtimeFiles(folders)

    def authorise(self, data: bytes, tell: Callable[[Producer | Outcome], None]) -> None:
        """Take what a producer says of itself; tell who it is, or why it is refused."""
        try:
            said = Authorisation.parse(data)
            self._authority.check(said.token)
            is_auto = said.beamtime in ("", AUTO)
            if "/" in said.beamtime:
                raise StreamError(
                    f"beamtime {said.beamtime[:100]!r}: it must have no /, as ASAPO's consumers cannot ask for it"
                )
            if not is_auto:
                self._authority.allow(said.token, "write", _source(said, said.beamtime))
            elif self._folders is None:
                raise StreamError("this server does not know which beamtime a beamline has; name the beamtime")
        except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
            tell(refused(error))
            return
        self._look(said, tell)

    def _look(self, said: Authorisation, tell: Callable[[Producer | Outcome], None]) -> None:
        """Find where the files of a producer belong, and tell who it is."""
        until = self._clock() + PASSING_S

        def found(beamtime: Beamtime | BeamtimeError | Outcome | None) -> None:
            if isinstance(beamtime, BeamtimeError):
                if self._clock() < until:
                    self._jobs.later(AGAIN_S, look)
                else:
                    tell(refused(beamtime))
                return
            if isinstance(beamtime, Outcome):
                tell(beamtime)
                return
            try:
                source = _source(said, said.beamtime if beamtime is None else beamtime.id)
                self._authority.allow(said.token, "write", source)
            except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
                tell(refused(error))
                return
            tell(Producer(said, source, beamtime, self._clock()))

        def look() -> None:
            if self._folders is None:
                found(None)
            else:
                self._jobs.then(partial(_found, self._folders, said), found)

        look()

    def take(
        self, producer: Producer, header: Header, meta: bytes, payload: NDArray[np.uint8] | None, tell: Told
    ) -> None:
        """Take what a producer sends, and tell what became of it."""

        def go_on(now: Producer | Outcome) -> None:
            if isinstance(now, Outcome):
                tell(now)
                return
            producer.source, producer.beamtime, producer.looked = now.source, now.beamtime, now.looked
            self._take(producer, header, meta, payload, tell)

        if producer.is_stale(self._clock()):
            self._look(producer.said, go_on)
        else:
            self._take(producer, header, meta, payload, tell)

    def _take(
        self, producer: Producer, header: Header, meta: bytes, payload: NDArray[np.uint8] | None, tell: Told
    ) -> None:
        try:
            self._authority.allow(producer.said.token, "write", producer.source)
            if header.op == Op.METADATA:
                self._describe(producer, header, payload, tell)
                return
            base = _stream_of(producer.source, header.stream)
            if header.is_finish:
                _check_id(header.id - 1)
                following = next_stream_of(json_value(meta, "the end of a stream"))
                self._incoming.end(base, Ended(header.id - 1, following, tell, self._clock()))
                return
            sent = self._sent(producer, header, meta, payload, tell)
            if is_recorded(header.mode) or header.mode & Mode.ONLY_METADATA:
                self._incoming.put(base, _part(header), sent)
            else:
                self._write(sent)
        except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
            tell(refused(error))

    def _sent(
        self, producer: Producer, header: Header, meta: bytes, payload: NDArray[np.uint8] | None, tell: Told
    ) -> Sent:
        if header.mode not in MODES:
            raise StreamError(f"there is no ingest mode {header.mode}; these are: {', '.join(map(str, sorted(MODES)))}")
        write: Callable[[], bool] | None = None
        _check_id(header.id)
        if header.mode & Mode.STORE_FILE:
            wanted_path(header.name, producer.said.kind)
            if self._files is not None and producer.beamtime is not None:
                write = partial(
                    self._files.write, producer.beamtime, producer.said.kind, header.name, payload,
                    to_offline=bool(header.mode & Mode.TO_OFFLINE),
                )  # fmt: skip
            elif not header.mode & Mode.RECORD:
                raise StreamError(
                    f"mode {header.mode} only writes a file, and this server writes none; add 8, the record"
                )
        user = checked_metadata(json_value(meta, "metadata"))
        metadata = metadata_of(user, header.name, header.mode, None if payload is not None else header.size)
        return Sent(header.id, metadata, dict(user), payload, header.parts, tell, write)

    def _write(self, sent: Sent) -> None:
        """Write what is to be a file and nothing else."""
        write = sent.write
        assert write is not None

        def written() -> Outcome:
            try:
                return Outcome(Code.WARNING, "file has been overwritten") if write() else Outcome(Code.OK)
            except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
                return outcome_of(error)

        self._jobs.then(written, sent.tell, stores=True)

    def _describe(self, producer: Producer, header: Header, payload: NDArray[np.uint8] | None, tell: Told) -> None:
        wish = MetadataWish.of(header.part)
        value = json_value(b"" if payload is None else payload.tobytes(), "metadata")
        is_of_all = header.name == BEAMTIME_META  # streams of this source, as ASAPO has it
        address = producer.source if is_of_all else _stream_of(producer.source, header.stream)

        def described() -> Outcome:
            try:
                self._store.set_metadata(address, value, wish.mode, upsert=wish.upsert)
            except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
                return outcome_of(error)
            return Outcome(Code.OK)

        self._jobs.then(described, tell, stores=True)


def refused(error: Exception) -> Outcome:
    """Return what is answered where something is not allowed, or cannot be."""
    if isinstance(error, ServiceError):
        return Outcome(Code.REFUSED, str(error))
    return outcome_of(error)


def _source(said: Authorisation, beamtime: str) -> StreamAddress:
    return StreamAddress(beamtime, said.source or _SOURCE)


@lru_cache(4096)
def _stream_of(source: StreamAddress, stream: str) -> StreamAddress:
    address = StreamAddress(source.beamtime, source.source, stream)
    check_stream_name(address)
    return address


def _found(folders: BeamtimeFolders, said: Authorisation) -> Beamtime | BeamtimeError | Outcome:
    """Return the beamtime that is meant, what may be over in a moment, or why it is refused."""
    try:
        return folders.resolve(said.beamtime, said.beamline, said.kind)
    except BeamtimeError as error:
        return error if error.is_passing else outcome_of(error)
    except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
        return outcome_of(error)


def _check_id(number: int) -> None:
    if number > LARGEST_ID:
        raise StreamError(f"ids go from 1 to {LARGEST_ID}; {number} is too large")


def _part(header: Header) -> int:
    if header.op != Op.DATASET:
        return 0
    if not 1 <= header.part <= header.parts <= MOST_PARTS:
        raise StreamError(f"part {header.part} of {header.parts} is none; at most {MOST_PARTS}, counted from 1")
    if not header.id:
        raise StreamError("a part of a dataset needs the dataset's id")
    return header.part
