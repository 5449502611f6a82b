"""The same few lines work with a folder and with a server: producers, consumers, members of a group, commands."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import ServiceError
from tests.system.commands import LONGEST_S, Process, ended, started

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


def test_groups_are_seen_and_moved_from_outside(where: str, tmp_path: Path) -> None:
    def groups(*words: str) -> Any:
        said = ended("streams", "groups", RUN, *words, "--store", where, "--json", folder=tmp_path)
        assert said.code == 0, said.err
        return json.loads(said.out)

    with penstock.open_store(where) as store, store.producer("c2026/eiger") as out:
        for k in range(1, 11):
            out.send(np.array(k), stream="run 7")
        out.flush()
    member = subprocess.Popen(
        [sys.executable, "-m", "tests.system.group_member", where, RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert member.stdin is not None
        assert member.stdout is not None
        assert member.stdout.readline() == "ready\n"
        (fit,) = groups()
        assert [fit[key] for key in ("position", "lag", "in_flight", "dead", "redelivered")] == [4, 7, 1, 1, 1]
        assert [(each["name"], each["in_flight"]) for each in fit["members"]] == [("ann", 1)]
        assert groups("fit")["dead_letters"] == [{"ids": [[3, 3]], "attempts": 2, "reason": "dark"}]
        assert groups("fit")["unacknowledged"] == [[3, 10]]
        assert groups("fit", "--revive")["revived"] == 1
        member.stdin.write("claim\n")
        member.stdin.flush()
        assert member.stdout.readline() == "[(3, 3)]\n"
        groups("fit", "--seek", "8")
        assert [groups("fit")[key] for key in ("position", "unclaimed", "in_flight")] == [8, 2, 2]
        member.stdin.close()
        assert member.wait(LONGEST_S) == 0
        assert [groups("fit")[key] for key in ("members", "in_flight", "waiting")] == [[], 0, 2]
        assert groups("fit", "--forget", "--yes")["forgotten"]
        assert groups() == []
    finally:
        member.kill()
        member.wait(LONGEST_S)
        for pipe in (member.stdin, member.stdout):
            if pipe is not None:
                pipe.close()


def test_nobody_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.streams.remote_connection._NEVER_SEEN_S", 0.3)
    with pytest.raises(ServiceError):
        penstock.open_store("tcp://127.0.0.1:1")
