"""Several processes make one store, and its catalogue, at the same moment."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import penstock

SAYS = """\
import sys
from pathlib import Path
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory.catalogue import Catalogue

print("ready", flush=True)
sys.stdin.readline()
catalogue = Catalogue(Path(sys.argv[1]))
catalogue.change(StreamAddress("b"), lambda old: {**(old or {}), sys.argv[2]: True})
catalogue.close()
"""


SENDS = """\
import sys
import penstock

with penstock.open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    with store.producer(f"c/s/{sys.argv[2]}") as out:
        out.set_metadata({"number": int(sys.argv[2])})
        out.send(sys.argv[2].encode())
"""


def at_once(code: str, path: Path, count: int) -> None:
    """Let several processes do the same in one moment."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(k)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for k in range(count)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * count, said


@pytest.mark.parametrize("turn", range(3))
def test_a_store_that_several_make_has_what_all_of_them_send(tmp_path: Path, turn: int) -> None:
    path = tmp_path / "store"
    if turn:
        path.mkdir()
    at_once(SENDS, path, 4)
    with penstock.open_store(path) as store:
        assert {info.address.stream: info.count for info in store.streams()} == {str(k): 1 for k in range(4)}
        for k in range(4):
            assert store.metadata(f"c/s/{k}") == {"number": k}


def test_what_all_of_them_say_is_kept(tmp_path: Path) -> None:
    for turn in range(5):
        path = tmp_path / f"{turn}.sqlite"
        at_once(SAYS, path, 4)
        with closing(sqlite3.connect(path)) as database:
            (found,) = database.execute("SELECT value FROM metadata").fetchone()
        assert all(f'"{k}"' in found for k in range(4))
