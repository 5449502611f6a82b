"""A genuine producer with the beamtime auto sends on while that changes at the beamline: nothing is lost or mixed."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Condition
from typing import Any

import pytest

from penstock.compat.asapo.beamtimes import Places
from penstock.compat.asapo.server import AsapoServer
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from tests.system.asapo_clients import asapo_producer

LONGEST_S = 30.0
FIRST, SECOND = "11000001", "11000002"


class Beamline:
    """Folders of two beamtimes, and which of them is current, by a link, as it is mounted at a beamline."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.current = root / "beamline/p07/current"
        self.current.parent.mkdir(parents=True)
        for beamtime in (FIRST, SECOND):
            core, online = root / f"core/{beamtime}", self.online(beamtime)
            core.mkdir(parents=True)
            online.mkdir(parents=True)
            said = {"beamtimeId": beamtime, "beamline": "p07", "corePath": str(core)}
            (online / f"beamtime-metadata-{beamtime}.json").write_text(json.dumps(said))
        self.begin(FIRST)

    def online(self, beamtime: str) -> Path:
        return self.root / f"online/{beamtime}"

    def begin(self, beamtime: str) -> None:
        new = self.current.with_name("new")
        new.symlink_to(self.online(beamtime))
        new.replace(self.current)

    def files(self, beamtime: str) -> set[int]:
        return {int(path.name) for path in (self.online(beamtime) / "raw").glob("*")}


@pytest.fixture
def beamline(tmp_path: Path) -> Beamline:
    return Beamline(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    with DirectoryStore(tmp_path / "store", make=True) as store:
        yield store


def test_nothing_is_lost_or_mixed_when_the_beamtime_changes(beamline: Beamline, store: DirectoryStore) -> None:
    places = Places(offline=f"{beamline.root}/core/{{beamtime}}", online=f"{beamline.root}/beamline/{{beamline}}")
    told: dict[int, Any] = {}
    news = Condition()

    def heard(payload: dict[str, Any], error: Exception | None) -> None:
        with news:
            assert payload["id"] not in told
            told[payload["id"]] = error
            news.notify_all()

    with AsapoServer(store, places=places) as server:
        producer = asapo_producer.create_producer(server.address, "raw", "auto", "p07", "det", "", 1, 20_000)
        producer.set_log_level("none")
        sent = 0

        def send() -> None:
            nonlocal sent
            sent += 1
            producer.send(sent, f"raw/{sent}", b"%d" % sent, stream="run", callback=heard)
            with news:
                assert news.wait_for(lambda: sent in told, LONGEST_S)

        for _ in range(20):
            send()
        beamline.begin(SECOND)
        for _ in range(20):
            send()
        count = sent
    assert [error for error in told.values() if error is not None] == []
    for beamtime, ids in ((FIRST, set(range(1, 21))), (SECOND, set(range(21, count + 1)))):
        with store.read(StreamAddress(beamtime, "det", "run")) as reader:
            assert set(map(int, reader.ids())) == ids
        assert beamline.files(beamtime) == ids
