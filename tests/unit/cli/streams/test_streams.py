"""The commands on streams, by plain calls: what they print, what they write, and what they refuse."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from penstock.cli.main import app
from penstock.cli.streams import COMMANDS
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from penstock.streams.store import Encoding

RUN = StreamAddress.parse("c2026/eiger/run 1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_STORE", raising=False)
    return tmp_path


@contextmanager
def store_here() -> Iterator[DirectoryStore]:
    with DirectoryStore("penstock-data") as store:
        yield store


def write(*messages: Message, to: StreamAddress = RUN) -> None:
    with store_here() as store, store.write(to) as writer:
        for message in messages:
            writer.append(Block.of("", [message]))


def streams(*words: str, given: bytes = b"") -> Result:
    result = CliRunner().invoke(app, ["streams", *words], input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_asked(name: str) -> None:
    result = streams(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"Usage: penstock streams {name}" in result.output.replace("root streams", "penstock streams")
    assert "Exit code 0" in " ".join(result.output.split())


def test_help_lists_every_command() -> None:
    result = streams("--help")
    assert all(name in result.output and line in result.output for name, (_, line) in COMMANDS.items())


def test_a_wrong_command_is_refused_with_the_one_that_was_meant() -> None:
    result = streams("tial")
    assert result.exit_code == 2
    assert "tail" in result.stderr


def test_the_store_is_named_by_the_environment_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_STORE", str(folder / "other"))
    assert streams("put", str(RUN), "--finish").exit_code == 0
    assert (folder / "other" / "penstock-store.json").exists()
    assert json.loads(streams("ls", "--json").stdout)[0]["address"] == str(RUN)


def test_ls_lists_filters_and_sorts_by_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert streams("ls").exit_code == 2
    for n in (3, 1, 2):
        write(Message(id=n), to=StreamAddress("c", "s", f"run {n}"))
    write(Message(id=1), to=StreamAddress("d", "s", "other"))
    assert streams("put", "c/s/run 1", "--next", "run 2").exit_code == 0

    def names(*words: str) -> list[str]:
        return [info["address"] for info in json.loads(streams("ls", "--json", *words).stdout)]

    assert names() == ["c/s/run 3", "c/s/run 1", "c/s/run 2", "d/s/other"]
    assert names("c") == names("c/s") == names("--match", "run *") == names()[:3]
    assert names("--state", "finished") == ["c/s/run 1"]
    assert names("--state", "finished", "--state", "stalled", "--match", "run ?", "c/s") == names()[:3]
    assert names("nobody") == []
    monkeypatch.setenv("COLUMNS", "40")  # a number that is cut off would be another number
    table = streams("ls", "c").stdout.splitlines()
    assert table[0].split() == ["address", "state", "messages", "ids", "size", "created", "last"]
    assert table[1].split()[:6] == ["c/s/run", "3", "stalled", "1", "3–3", table[1].split()[5]]
    assert (streams("ls", "nobody").stdout, streams("ls", "nobody").stderr) == ("", "no streams\n")


def test_info_says_everything() -> None:
    write(Message(id=2), Message(id=5), Message(id=6))
    with store_here() as store:
        store.set_metadata(RUN, {"sample": "Ä"})
        store.set_metadata(RUN.parent, {"detector": 1})
    assert streams("put", str(RUN), "--abort", "no beam").exit_code == 0
    said = json.loads(streams("info", str(RUN), "--json").stdout)
    assert said["gaps"] == {"ranges": [[1, 1], [3, 4]], "is_complete": True, "trouble": ""}
    assert (said["metadata"], said["reason"], said["missing"]) == ({"sample": "Ä"}, "no beam", 3)
    text = streams("info", str(RUN)).stdout
    for line in (
        "state      aborted: no beam",
        "ids        2 to 6, 3 never came",
        "not there  1, 3–4",
        '"sample": "Ä"',
    ):
        assert line in text
    above = json.loads(streams("info", str(RUN.parent), "--json").stdout)
    assert (above["streams"], above["count"], above["metadata"]) == (1, 3, {"detector": 1})
    assert streams("info", "c2026").stdout.startswith("c2026: 1 stream, 3 messages, ")


def test_tail_shows_what_is_known_of_each() -> None:
    write(
        Message(id=1, key=7, timestamp_ns=10**9, metadata={"e": np.float64(5.5), "a": np.arange(3), "n": float("nan")}),
        Message(id=2, array=np.arange(12, dtype="<u2").reshape(3, 4), more=(np.frombuffer(b"hello\n", np.uint8),)),
        Message(id=3, array=np.empty(0, np.uint8), more=(np.array(1.5), np.arange(30, dtype=np.uint8))),
    )
    with store_here() as store, store.write(RUN) as writer:
        encoding = Encoding("bslz4", "<u2", (10, 10))
        writer.append(Block.of("", [Message(id=4, array=np.zeros(2000, np.uint8))]), [encoding])
    lines = [line.split("  ") for line in streams("tail", str(RUN)).stdout.splitlines()]
    assert [line[-3:] for line in lines] == [
        ["key 7", "1970-01-01T00:00:01.000000000Z", '{"e":5.5,"a":[0,1,2],"n":null}'],
        ["no time", "uint16 3×4 [0 1 2 3 …]", '6 B "hello\\n"'],
        ["0 B", "float64 scalar [1.5]", "30 B 00 01 02 03 04 05 06 07…"],
        [" 4", "no time", "bslz4 of <u2 10×10, 2 kB"],
    ]
    said = [json.loads(line) for line in streams("tail", str(RUN), "-n", "2", "--json").stdout.splitlines()]
    assert [message["id"] for message in said] == [3, 4]
    assert said[1]["buffers"][0]["encoding"] == {"name": "bslz4", "dtype": "<u2", "shape": [10, 10]}
    assert said[0]["buffers"][1] == {"dtype": "<f8", "shape": [], "nbytes": 8, "encoding": None}
    assert streams("tail", str(RUN), "-n", "0").stdout == ""


def test_put_and_get_keep_arrays_and_bytes(folder: Path) -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4)[:, ::2]
    np.save("a.npy", array)
    (folder / "b.txt").write_bytes(b"text")
    (folder / "empty").write_bytes(b"")
    said = streams("put", str(RUN), "a.npy", "b.txt", "empty", "--metadata", '{"e": 1}', "--id", "7", "--json")
    assert json.loads(said.stdout) == {"address": str(RUN), "ids": [7, 8, 9], "ended": None}
    assert "1 message, id 10; finished" in streams("put", str(RUN), "-", "--next", "r2", given=b"in").stdout
    tree = json.loads(streams("get", str(RUN), "7", "-o", "out.npy").stdout)
    assert (tree["metadata"], tree["files"]) == ({"e": 1}, ["out.npy"])
    back = np.load("out.npy")
    assert (back.dtype, back.tolist()) == (array.dtype, array.tolist())
    assert streams("get", str(RUN), "8:", "--raw").stdout_bytes == b"textin"
    assert streams("get", str(RUN), "8:10", "-o", "x.bin").exit_code == 0
    found = {path.name: path.read_bytes() for path in folder.glob("x*")}
    assert found == {"x-8.bin": b"text", "x-9.bin": b"", "x-10.bin": b"in"}
    refused = streams("get", str(RUN), "8:10", "-o", "x.bin")
    assert (refused.exit_code, "x-8.bin exists" in refused.stderr) == (2, True)
    assert streams("get", str(RUN), "8:10", "-o", "x.bin", "--force").exit_code == 0
    assert streams("put", str(RUN), "b.txt").exit_code == 1  # it has ended


def test_get_writes_every_buffer_and_no_array_that_is_none(folder: Path) -> None:
    with store_here() as store, store.write(RUN) as writer:
        writer.append(Block.of("", [Message(id=1, array=np.zeros(2), more=(np.ones((2, 2)),))]))
        writer.append(Block.of("", [Message(id=2, array=np.zeros(5, np.uint8))]), [Encoding("lz4", "<u2", (9,))])
    assert json.loads(streams("get", str(RUN), "1", "-o", "x.npy").stdout)["files"] == ["x.npy", "x-1.npy"]
    assert np.load("x-1.npy").tolist() == [[1, 1], [1, 1]]
    said = streams("get", str(RUN), "2", "-o", "y.npy")
    assert (said.exit_code, "the buffer is lz4, no array" in said.stderr) == (1, True)
    assert streams("get", str(RUN), "2", "-o", "y.bin").exit_code == 0
    assert (folder / "y.bin").read_bytes() == bytes(5)


def test_put_of_an_id_that_is_there_is_refused(folder: Path) -> None:
    write(Message(id=3))
    (folder / "b").write_bytes(b"text")
    said = streams("put", str(RUN), "b", "--id", "3")
    assert (said.exit_code, "has these ids already: 3" in said.stderr) == (1, True)


def test_query_finds_and_orders() -> None:
    write(*(Message(id=n, metadata={"e": n % 3}) for n in range(1, 10)))
    said = streams("query", str(RUN), "meta.e > 0 ORDER BY meta.e DESC, _id LIMIT 4", "--json")
    assert [json.loads(line)["id"] for line in said.stdout.splitlines()] == [2, 5, 8, 1]
    assert said.exit_code == 0
    assert streams("query", str(RUN), "_id = 99").stdout == ""
    assert streams("query", str(RUN), "_id = 9").stdout.split()[0] == "9"


def test_query_past_damage_says_so() -> None:
    write(*(Message(id=n, array=np.full(4, n)) for n in (1, 2, 3)))
    (segment,) = Path("penstock-data").rglob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.index(np.full(4, 2).tobytes())] ^= 1
    segment.write_bytes(data)
    said = streams("query", str(RUN), "", "--json")
    assert [json.loads(line)["id"] for line in said.stdout.splitlines()] == [1, 3]
    assert said.exit_code == 3
    assert segment.name in said.stderr


def test_delete_removes_exactly_this_one() -> None:
    others = [StreamAddress("c2026", "eiger", "run 10"), StreamAddress("c2026", "eiger2", "run 1")]
    for address in (RUN, *others):
        write(Message(id=1), to=address)
    assert streams("delete", str(RUN), "--yes").stdout.startswith(f"deleted: {RUN}, stalled, 1 message")
    with store_here() as store:
        assert sorted(info.address for info in store.streams()) == sorted(others)
    assert streams("delete", str(RUN), "--yes").exit_code == 1


def test_export_says_what_has_no_place_and_leaves_no_half_file(folder: Path) -> None:
    write(Message(id=1, key=3, metadata={"a": 1}, array=np.arange(3)), Message(id=2, array=np.zeros(2, np.uint8)))
    said = streams("export", str(RUN), "a.cbors", "--plain")
    assert said.exit_code == 0
    assert "keys of 1 message, metadata of 1 message, arrays of 1 message" in said.stderr
    write(Message(id=3))
    said = streams("export", str(RUN), "b.cbors")
    assert (said.exit_code, "message 3" in said.stderr) == (1, True)
    assert sorted(path.name for path in folder.iterdir()) == ["a.cbors", "penstock-data"]


def test_import_beside_something_else_is_refused() -> None:
    write(Message(id=1, array=np.zeros(2, np.uint8)))
    assert streams("export", str(RUN), "a.cbors.gz").exit_code == 0
    write(Message(id=1, array=np.ones(2, np.uint8)), to=StreamAddress("a", "b", "c"))
    said = streams("import", "a.cbors.gz", "a/b/c")
    assert (said.exit_code, "something else" in said.stderr) == (1, True)
    assert streams("import", "a.cbors.gz", "a/b/d").exit_code == 0


def test_import_of_a_beamtime_says_what_became_of_files(folder: Path) -> None:
    raw = folder / "11001234/raw/run"
    raw.mkdir(parents=True)
    for name in ("f1", "f2", "gone"):
        (raw / name).write_bytes(b"data")
        os.utime(raw / name, (1e9, 1e9))
    (folder / "11001234/beamtime-metadata-1.json").write_text("{")
    assert "say which it is with --beamtime" in streams("import", "--asapo", "11001234").stderr
    said = streams("import", "--asapo", "11001234", "--beamtime", "c1", "--pattern", "f*")
    assert (said.exit_code, "no JSON" in said.stderr) == (0, True)
    assert said.stdout == "c1: 2 files of 8 B imported, 1 stream; 1 passed over\n"
    (raw / "f1").write_bytes(b"other data")
    said = streams("import", "--asapo", "11001234", "--beamtime", "c1", "--pattern", "f*")
    assert (said.exit_code, "raw/run/f1: changed after it was imported" in said.stderr) == (3, True)
    assert "2 were there; 1 passed over; 1 changed since" in said.stdout
    (raw / "f3").symlink_to("nowhere")
    assert streams("import", "--asapo", "11001234", "--beamtime", "c1", "--json").exit_code == 1


def test_what_can_only_be_done_to_a_folder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.streams.memory_store import MemoryStore

    monkeypatch.setattr("penstock.streams.store_at.store_at", lambda where, *, absent: MemoryStore())
    said = streams("verify", "--store", "other")
    assert (said.exit_code, "other is no folder" in said.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("ls", "--store", "nowhere"), 2, "--store: nowhere is not there; name the folder of a store"),
        (("ls", "--store", "."), 2, "holds no store"),
        (("ls", "--store", "memory:"), 2, "nothing of it would be left"),
        (("ls", "--store", "tcp://127.0.0.1:1"), 1, "tcp://127.0.0.1:1 was not reached"),
        (("ls", "--store", "s3://bucket"), 2, 'there is no store of the kind "s3:"'),
        (
            ("put", "a/b/c", "--store", "no/such", "--finish"),
            2,
            "the folder that it should be in is not there",
        ),
        (("ls", "--state", "opn"), 2, "--state: no stream is ever"),
        (("info", "a//c"), 2, "ADDRESS: 'a//c' is no address; write beamtime/source/stream"),
        (("tail", "c2026/eiger"), 2, "ADDRESS: c2026/eiger names no stream"),
        (("delete", "c2026/eiger", "--yes"), 2, "names no stream"),
        (("tail", "%FF/b/c"), 2, "ADDRESS: '%FF/b/c' is no address"),
        (("info", "c2026/eiger/run1"), 1, 'did you mean "c2026/eiger/run 1"?'),
        (("tail", "c2026/eiger/run1"), 1, "there is no stream"),
        (("verify", "c2026/eiger/run1"), 1, "there is no stream"),
        (("get", str(RUN), "9"), 1, "has no message 9"),
        (("get", str(RUN), "0"), 2, "ids begin at 1"),
        (("get", str(RUN), "7:3"), 2, "the first comes before the last"),
        (("get", str(RUN), "x"), 2, "ID: 'x' is no id"),
        (("get", str(RUN), "1", "-o", "a.npy", "--raw"), 2, "leave one out"),
        (("get", str(RUN), "1", "-o", "a.txt"), 2, "end the name in .npy or .bin"),
        (("put", str(RUN), "no.bin"), 2, "FILE: no.bin is not there"),
        (("put", str(RUN), "--metadata", "{", "--finish"), 2, "--metadata: no JSON"),
        (("put", str(RUN), "--metadata", "[1]", "--finish"), 2, "--metadata: [1] is no object"),
        (("put", str(RUN), "bad.npy"), 2, "FILE: bad.npy cannot be read"),
        (("put", str(RUN), "bad.npy", "--id", "1"), 2, "FILE: bad.npy cannot be read"),
        (("put", str(RUN), "--finish", "--abort", "why"), 2, "--abort"),
        (("info", "c2027"), 1, "nothing is known of c2027"),
        (("query", str(RUN), "size >"), 2, "\n  size >\n        ^"),
        (("query", str(RUN), "n > 1"), 2, "write meta.n if it stands in the metadata"),
        (("copy", str(RUN), str(RUN)), 2, "is the stream itself"),
        (("delete", str(RUN)), 2, "add --yes"),
        (("import", "no.cbors", "a/b/c"), 2, "FILE: the recording no.cbors cannot be read"),
        (("import",), 2, "write FILE ADDRESS, or --asapo DIR"),
        (("import", "a.cbors", "a/b/c", "--asapo", "."), 2, "leave one out"),
        (("import", "--asapo", "nowhere"), 2, "--asapo: nowhere is not there"),
        (
            ("import", "--asapo", ".", "--layout", "raw/*"),
            2,
            "--layout: 'raw/*' does not say what the stream is called",
        ),
        (("import", "--asapo", ".", "--beamtime", "b"), 1, "has no raw and no processed in it"),
    ],
)
def test_what_is_wrong_is_said(
    folder: Path, words: tuple[str, ...], code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.streams.remote_connection._NEVER_SEEN_S", 0.3)  # instead of 5 s
    (folder / "bad.npy").write_bytes(b"no array")
    write(Message(id=1))
    said = streams(*words)
    assert text in said.stderr
    assert said.exit_code == code
    with store_here() as store:
        assert [info.count for info in store.streams()] == [1]
    assert not (folder / "nowhere").exists()
