"""The same few lines work with a folder and with a server: producers, consumers, members of a group, commands."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import penstock
from penstock.errors import ServiceError
from tests.system.commands import Process, started

RUN = "c2026/eiger/run 7"


@pytest.fixture(params=["folder", "server of a folder", "server of memory"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    store = "memory:" if "memory" in request.param else str(tmp_path / "store")
    process = Process("serve", "--store", store, "--listen", "0", "--json", folder=tmp_path)
    try:
        yield json.loads(process.line("{"))["address"]
    finally:
        process.close()


def test_what_one_sends_another_reads_and_a_group_shares(where: str, tmp_path: Path) -> None:
    images = [np.full((4, 5), k, np.uint16) for k in range(1, 21)]
    with penstock.open_store(where) as store, store.producer("c2026/eiger") as out:
        receipts = [out.send(image, stream="run 7", metadata={"energy": k}) for k, image in enumerate(images)]
        out.flush()
        assert all(receipt.outcome is not None and receipt.outcome.kind == "stored" for receipt in receipts)
        out.finish(stream="run 7", next_stream="run 8")
    with penstock.open_store(where) as store:
        found = list(store.consumer(RUN).follow())
        assert [message.id for message in found] == list(range(1, 21))
        assert all(np.array_equal(message.array, image) for message, image in zip(found, images, strict=True))
        shared: list[int] = []
        for most in (10, 100):
            with store.group(RUN, "fit") as member:  # what it has in hand when it leaves goes to the next one
                for message in member.follow():
                    shared.append(message.id)
                    member.ack(message)
                    if len(shared) == most:
                        break
        assert sorted(shared) == list(range(1, 21))
    query = ("streams", "query", RUN, "meta.energy > 16", "--store", where, "--json")
    with started(*query, folder=tmp_path) as process:
        said = process.end()
    assert said.code == 0, said.err
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == [18, 19, 20]


def test_nobody_there_is_said() -> None:
    with pytest.raises(ServiceError):
        penstock.open_store("tcp://127.0.0.1:1")
