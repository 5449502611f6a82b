"""What was imported from a beamtime's folder is read by ASAPO's genuine clients, who then go on with it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.compat.asapo.beamtimes import Places
from penstock.compat.asapo.server import AsapoServer
from penstock.services.tree_import import ImportOptions, TreeImport
from penstock.streams.directory import DirectoryStore
from penstock.streams.tree_layout import TreeLayout
from tests.system.asapo_clients import asapo_consumer, asapo_producer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BEAMTIME = "11001234"
NAMES = [f"raw/eiger/run 7/f_{number:03}.cbf" for number in (1, 2, 4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A beamtime's folder, as ASAPO left it; the third frame was lost."""
    for name in NAMES:
        file = tmp_path / BEAMTIME / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"bytes of {name}".encode())
        os.utime(file, (1.7e9, 1.7e9))
    return tmp_path


@pytest.fixture(params=[True, False], ids=["with bytes", "spoken of"])
def server(folder: Path, request: pytest.FixtureRequest) -> Iterator[AsapoServer]:
    with DirectoryStore(folder / "store", make=True) as store:
        layout = TreeLayout("raw/{source}/{stream}/f_{id}.cbf")
        work = TreeImport(folder / BEAMTIME, store, BEAMTIME, layout, ImportOptions(payload=request.param))
        work.run()
        assert work.counts.imported == 3
        with AsapoServer(store, places=Places(offline=f"{folder}/{{beamtime}}")) as server:
            yield server


def consumer(server: AsapoServer, path: str = "auto", *, has_filesystem: bool = False) -> Any:
    return asapo_consumer.create_consumer(server.address, path, has_filesystem, BEAMTIME, "eiger", "", 2000)


def test_their_consumers_read_it_and_their_producers_go_on(server: AsapoServer, folder: Path) -> None:
    reader = consumer(server)
    assert [entry["name"] for entry in reader.get_stream_list(detailed=False)] == ["run 7"]
    for number, name in zip((1, 2), NAMES, strict=False):
        data, meta = reader.get_next("g", meta_only=False, stream="run 7")
        assert (meta["_id"], meta["name"], bytes(data)) == (number, name, f"bytes of {name}".encode())
        assert meta["size"] == len(data)
    mounted = consumer(server, str(folder / BEAMTIME), has_filesystem=True)
    data, meta = mounted.get_by_id(4, meta_only=False, stream="run 7")
    assert bytes(data) == f"bytes of {NAMES[2]}".encode()
    said: list[Exception | None] = []
    producer = asapo_producer.create_producer(server.address, "raw", BEAMTIME, "auto", "eiger", "", 1, 5000)
    producer.set_log_level("none")
    producer.send(5, "raw/eiger/run 7/f_005.cbf", b"new", stream="run 7", callback=lambda _, error: said.append(error))
    producer.wait_requests_finished(10_000)
    assert said == [None]
    assert (folder / BEAMTIME / "raw/eiger/run 7/f_005.cbf").read_bytes() == b"new"
    assert bytes(reader.get_last(meta_only=False, stream="run 7")[0]) == b"new"
