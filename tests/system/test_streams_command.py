"""`penstock streams` with real processes: somebody writes while others look, and stored bytes are damaged."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.formats.recording import RecordingTraits, encode_closing, encode_opening, encode_record
from penstock.streams.directory import DirectoryStore
from tests.system.commands import COMMAND, LONGEST_S, Said, assert_speaks_of_the_users_world, ended, started

RUN = StreamAddress.parse("c2026/eiger/run 1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def store_in(folder: Path) -> Iterator[DirectoryStore]:
    with DirectoryStore(folder / "penstock-data", make=True) as store:
        yield store


def block(*ids: int, size: int = 4) -> Block:
    return Block.of("", [Message(id=n, timestamp_ns=n, metadata={"n": n}, array=np.full(size, n)) for n in ids])


def streams(folder: Path, *words: str) -> Said:
    said = ended("streams", *words, folder=folder)
    assert_speaks_of_the_users_world(said)
    return said


def flip_a_bit(folder: Path, what: bytes) -> Path:
    (segment,) = (folder / "penstock-data").rglob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.index(what)] ^= 1
    segment.write_bytes(data)
    return segment


def test_tail_follows_what_another_process_puts(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"abc")
    with store_in(folder):
        pass
    with started("streams", "tail", str(RUN), "--follow", "--json", folder=folder) as process:
        assert streams(folder, "put", str(RUN), "a.bin", "a.bin").code == 0
        process.line('{"id":2')
        assert streams(folder, "put", str(RUN), "a.bin", "--next", "run 2").code == 0
        said = process.end()
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == [1, 2, 3]
    assert said.code == 0
    assert "is finished; next is run 2" in said.err


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_tail_in_good_order(folder: Path, by: signal.Signals) -> None:
    with store_in(folder) as store, store.write(RUN) as writer:
        writer.append(block(1, 2))
        with started("streams", "tail", str(RUN), "-f", folder=folder) as process:
            process.line("       2")
            process.process.send_signal(by)
            said = process.end()
    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) == 2


def test_tail_says_that_a_stream_is_stalled_or_aborted(folder: Path) -> None:
    with store_in(folder) as store:
        with store.write(RUN) as writer:
            writer.append(block(1))
        with started("streams", "tail", str(RUN), "-f", folder=folder) as process:
            process.line(f"penstock: {RUN} is stalled")
            with store.write(RUN) as writer:
                writer.append(block(2))
                writer.abort("the beam is gone")
            said = process.end()
    assert said.code == 3
    assert len(said.out.splitlines()) == 2
    assert said.err.splitlines()[-1] == f"penstock: {RUN} is aborted: the beam is gone"


def test_tail_goes_on_behind_damage_and_says_so(folder: Path) -> None:
    with store_in(folder) as store, store.write(RUN) as writer:
        for n in (1, 2, 3):
            writer.append(block(n))
    segment = flip_a_bit(folder, np.full(4, 2).tobytes())
    said = streams(folder, "tail", str(RUN), "--json")
    assert said.code == 3
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == [1, 3]
    assert str(segment) in said.err


def test_a_second_writer_is_refused_and_told_who_writes(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"abc")
    with store_in(folder) as store, store.write(RUN) as writer:
        writer.append(block(1))
        refused = streams(folder, "put", str(RUN), "a.bin")
        assert streams(folder, "delete", str(RUN), "--yes").code == 1
        assert streams(folder, "rebuild", str(RUN)).code == 1
        assert writer.written == store.info(RUN).count == 1
    assert refused.code == 1
    assert f"process {os.getpid()} of" in refused.err


def test_verify_names_file_and_place_and_rebuild_mends_the_index(folder: Path) -> None:
    with store_in(folder) as store, store.write(RUN) as writer:
        writer.append(block(1, 2))
        writer.append(block(3))
    assert streams(folder, "verify").code == 0
    (index,) = (folder / "penstock-data").rglob("*.idx")
    index.unlink()
    lost = streams(folder, "verify", "c2026")
    assert lost.code == 1
    assert f"{RUN}: {index}: there is none" in lost.out
    assert streams(folder, "rebuild", str(RUN)).code == 0
    assert index.exists()
    segment = flip_a_bit(folder, np.full(4, 1).tobytes())
    said = streams(folder, "verify", str(RUN), "--json")
    assert said.code == 1
    (problem,) = json.loads(said.out)[str(RUN)]["problems"]
    assert problem.startswith(f"{segment}: byte 128: ")
    assert streams(folder, "rebuild", str(RUN)).code == 1  # what is damaged stays so, and is said


def test_a_copy_that_was_killed_goes_on(folder: Path) -> None:
    with store_in(folder) as store:
        with store.write(RUN, sync="none") as writer:
            for n in range(0, 3000, 3):
                writer.append(block(n + 1, n + 3, size=1000), [])
            writer.finish("run 2")
        store.set_metadata(RUN, {"sample": "Ä"})
        copy = StreamAddress.parse("c2026/eiger/copy")
        words = ("streams", "copy", str(RUN), str(copy), "--json")
        with started(*words, folder=folder) as process, store.read(copy) as reader:
            assert reader.wait(0, LONGEST_S)
            process.process.kill()
            process.process.wait()
        there = store.info(copy).count
        done = json.loads(streams(folder, *words[1:]).out)
        assert (done["before"], done["before"] + done["messages"]) == (there, 2000)
        assert json.loads(streams(folder, *words[1:]).out)["messages"] == 0
        infos = store.info(RUN), store.info(copy)
        assert infos[0].state == infos[1].state == "finished"
        assert infos[0].next_stream == infos[1].next_stream == "run 2"
        assert store.metadata(copy) == {"sample": "Ä"}
        with store.read(RUN) as one, store.read(copy) as other:
            for left, right in zip(one.blocks(), other.blocks(), strict=True):
                pairs = zip(left.block.messages(), right.block.messages(), strict=True)
                assert all((m.id, m.metadata) == (n.id, n.metadata) and (m.array == n.array).all() for m, n in pairs)


def test_ctrl_c_stops_a_copy_in_good_order(folder: Path) -> None:
    with store_in(folder) as store:
        with store.write(RUN, sync="none") as writer:
            for n in range(3000):
                writer.append(block(n + 1, size=1000))
            writer.finish()
        copy = StreamAddress.parse("c2026/eiger/copy")
        with started("streams", "copy", str(RUN), str(copy), folder=folder) as process, store.read(copy) as reader:
            assert reader.wait(0, LONGEST_S)
            process.process.send_signal(signal.SIGINT)
            said = process.end()
        if said.code == 130:  # else it was done before it heard
            assert store.info(copy).state == "stalled"
            assert "the same command goes on there" in said.err
        else:
            assert (said.code, store.info(copy).state) == (0, "finished")
        assert streams(folder, "copy", str(RUN), str(copy)).code == 0
        assert (store.info(copy).count, store.info(copy).state) == (3000, "finished")


def recording(path: Path, *, timed: bool) -> bytes:
    packets = [[b"head", bytes(range(256)) * n, b""] if n % 2 else [b"\x00"] for n in range(5000)]
    opening = encode_opening(RecordingTraits(protocol="stins", socket="pull", address="tcp://d:1")) if timed else b""
    body = b"".join(encode_record(parts[:1] + parts[2:], n * 7 if timed else None) for n, parts in enumerate(packets))
    data = opening + body + (encode_closing(len(packets)) if timed else b"")
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("timed", [True, False])
def test_a_recording_comes_back_byte_for_byte(folder: Path, timed: bool) -> None:
    data = recording(folder / "a.cbors", timed=timed)
    said = streams(folder, "import", "a.cbors", str(RUN), "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out) | {"messages": 5000, "before": 0, "state": "finished"} == json.loads(said.out)
    done = streams(folder, "export", str(RUN), "b.cbors")
    assert (done.code, done.err) == (0, "")
    assert (folder / "b.cbors").read_bytes() == data
    assert streams(folder, "export", str(RUN), "b.cbors").code == 2
    assert streams(folder, "import", "a.cbors", str(RUN)).code == 1


def test_a_recording_that_is_cut_off_is_told_and_comes_back_as_far_as_it_goes(folder: Path) -> None:
    data = recording(folder / "a.cbors", timed=True)
    cut = data[:-40]
    (folder / "a.cbors").write_bytes(cut)
    said = streams(folder, "import", "a.cbors", str(RUN))
    assert said.code == 3
    assert "it is cut off in the middle of record" in said.err
    with store_in(folder) as store:
        assert store.info(RUN).state == "aborted"
    assert streams(folder, "export", str(RUN), "b.cbors").code == 0
    back = (folder / "b.cbors").read_bytes()
    assert cut.startswith(back)
    assert len(cut) - len(back) < 40


def test_an_import_that_was_killed_goes_on(folder: Path) -> None:
    data = recording(folder / "a.cbors", timed=True)
    with store_in(folder) as store, store.read(RUN) as reader:
        with started("streams", "import", "a.cbors", str(RUN), folder=folder) as process:
            assert reader.wait(0, LONGEST_S)
            process.process.kill()
            process.process.wait()
        if store.info(RUN).state != "finished":  # else it was done before it died
            assert streams(folder, "import", "a.cbors", str(RUN)).code == 0
    assert streams(folder, "export", str(RUN), "b.cbors").code == 0
    assert (folder / "b.cbors").read_bytes() == data


def test_an_import_of_a_beamtime_goes_on_after_kills_and_names_each_file_once(folder: Path) -> None:
    paths = {f"raw/run {run}/f{number}.bin" for run in range(2) for number in range(1500)}
    for path in paths:
        file = folder / "11001234" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.encode())
        os.utime(file, (1e9, 1e9))
    (folder / "11001234/beamtime-metadata-7.json").write_text('{"beamtimeId": "7", "title": "crystals"}')
    words = ("import", "--asapo", "11001234", "--payload", "--finish", "--json")
    runs = [StreamAddress("7", "raw", f"run {run}") for run in range(2)]
    with store_in(folder) as store:
        for address in runs:
            with store.read(address) as reader, started("streams", *words, folder=folder) as process:
                assert reader.wait(0, LONGEST_S)
                process.process.kill()
        said = streams(folder, *words)
        assert said.code == 0, said.err
        done = json.loads(said.out)
        assert done["imported"] + done["before"] == len(paths)
        found = []
        for address in runs:
            with store.read(address) as reader:
                assert reader.info.state == "finished"
                messages = [message for stored in reader.blocks() for message in stored.messages()]
            assert [message.id for message in messages] == list(range(1, 1501))
            assert all(bytes(message.array) == message.metadata["exposed_path"].encode() for message in messages)
            found += [message.metadata["exposed_path"] for message in messages]
        assert sorted(found) == sorted(paths)
        assert store.metadata(StreamAddress("7")) == {"beamtime": {"beamtimeId": "7", "title": "crystals"}}


def test_bytes_go_through_standard_input_and_output(folder: Path) -> None:
    data = bytes(range(256)) * 1000

    def typed(*words: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [*COMMAND, "streams", *words], cwd=folder, input=given, capture_output=True, check=True, timeout=LONGEST_S
        )

    typed("put", str(RUN), given=data)
    typed("put", str(RUN), "-", given=b"")
    assert typed("get", str(RUN), "1:2", "--raw").stdout == data


def test_who_reads_no_more_is_not_told_of_a_broken_pipe(folder: Path) -> None:
    with store_in(folder) as store, store.write(RUN) as writer:
        writer.append(block(*range(1, 5000)))
    line = f"{' '.join(map(repr, COMMAND))} streams tail '{RUN}' -n 5000 | head -n 1"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=True, timeout=LONGEST_S)
    assert len(done.stdout.splitlines()) == 1
    assert not done.stderr
