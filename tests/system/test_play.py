"""Recordings over real sockets: what is played arrives byte for byte, and what cannot be is said."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core import Block, Kind
from penstock.elements.recording_file import RecordingFile
from penstock.elements.source import Source
from penstock.elements.sources.contrast import ContrastSource
from penstock.elements.sources.pandabox import PandaboxSource
from penstock.elements.sources.stins import StinsSource
from penstock.elements.sources.xspress3 import Xspress3Source
from penstock.errors import SinkError, SourceError
from penstock.formats.recording import RecordingTraits, encode_closing, encode_opening, encode_record
from penstock.protocols import pandabox, stins
from penstock.services.capturer import Capturer
from penstock.services.player import Player, Track, guess_protocol
from penstock.transport.zmq import ZmqReceiver
from tests.system.sockets import DEADLINE_S, playing, read_scan, read_until

ANY = "tcp://127.0.0.1:0"


def images(count: int, shape: tuple[int, int] = (4, 4)) -> list[list[bytes]]:
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    return [
        stins.encode_start("a.h5"),
        *[stins.encode_image(n, pixels + n) for n in range(count)],
        stins.encode_end(msg_number=count + 1),
    ]


def written(path: Path, packets: list[list[bytes]], *, protocol: str = "", step_ns: int = 0) -> Path:
    if protocol:
        records = b"".join(encode_record(packet, n * step_ns) for n, packet in enumerate(packets))
        path.write_bytes(encode_opening(RecordingTraits(protocol=protocol)) + records + encode_closing(len(packets)))
    else:
        path.write_bytes(b"".join(map(encode_record, packets)))
    return path


def opened(source: Source) -> Source:
    source.stream = "det"
    source.open()
    return source


def test_a_recorded_scan_arrives_over_two_sockets(recordings: Path) -> None:
    files = [recordings / "contrast-dump.cbors", recordings / "xspress3-dump.cbors"]
    player = Player([Track(file=file, address=ANY) for file in files])
    player.open()
    assert [(track.protocol, track.socket) for track in player.tracks] == [("contrast", "pub"), ("xspress3", "pub")]
    contrast, xspress3 = (
        opened(ContrastSource(player.tracks[0].address)),
        opened(Xspress3Source(player.tracks[1].address)),
    )
    got: dict[Source, list[Block]] = {contrast: [], xspress3: []}

    def done() -> bool:
        return all(blocks and blocks[-1].kind is Kind.END for blocks in got.values())

    with playing(player) as failures:
        lost = read_until([contrast, xspress3], done, lambda source, block: got[source].append(block))
    contrast.close()
    xspress3.close()
    assert (failures, lost) == ([], [])
    assert [sum(map(len, blocks)) for blocks in got.values()] == [22, 22]
    assert [track.records for track in player.tracks] == [26, 62]
    spectra = [message.array for block in got[xspress3] if block.kind is Kind.DATA for message in block.messages()]
    assert np.sum(spectra, axis=(0, 2)).tolist() == [5, 7, 3, 32]


@pytest.mark.parametrize("name", ["contrast-dump", "xspress3-dump", "albaem-dump", "pcap-zmq"])
def test_every_byte_arrives(recordings: Path, name: str) -> None:
    file = recordings / f"{name}.cbors"
    player = Player([Track(file=file, address=ANY)])
    player.open()
    receiver = ZmqReceiver("sub", player.tracks[0].address)
    receiver.open()
    expected = [record.parts for record in RecordingFile(file)]
    got: list[tuple[bytes, ...]] = []
    with playing(player) as failures:
        while len(got) < len(expected) and not failures:
            parts = receiver.receive()
            if parts is None:
                receiver.wait(0.1)
            else:
                got.append(tuple(bytes(part) for part in parts))
    receiver.close()
    assert got == expected
    assert not failures


def test_more_than_any_queue_holds_arrives(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(30_000))
    for kind in ("pub", "push"):
        player = Player([Track(file=file, address=ANY, socket=kind)])
        player.open()
        source = StinsSource(player.tracks[0].address)
        if kind == "pub":
            source = type("Subscribed", (Xspress3Source,), {"decoder": _as_published()})(player.tracks[0].address)
        opened(source)
        with playing(player) as failures:
            blocks, lost = read_scan(source)
        source.close()
        assert (failures, lost) == ([], [])
        assert np.concatenate([block.ids for block in blocks]).tolist() == list(range(1, 30_003))


def _as_published() -> type[stins.StinsDecoder]:
    from penstock.core.decoder import Traits

    return type("Published", (stins.StinsDecoder,), {"traits": Traits(number="frame", socket="sub")})


def test_large_images_are_blocks_by_themselves(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(20, (700, 700)))
    player = Player([Track(file=file, address=ANY)])
    player.open()
    source = opened(StinsSource(player.tracks[0].address))
    with playing(player):
        blocks, _ = read_scan(source)
    source.close()
    data = [block for block in blocks if block.kind is Kind.DATA]
    assert [len(block) for block in data] == [1] * 20
    assert isinstance(data[3].columns[0], np.ndarray)
    assert data[3].columns[0][0, 0, 0] == 3


def test_a_timed_recording_keeps_its_own_pace(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(4), protocol="stins", step_ns=40_000_000)
    player = Player([Track(file=file, address=ANY)], own_pace=True)
    player.open()
    source = opened(StinsSource(player.tracks[0].address))
    with playing(player):
        blocks, _ = read_scan(source)
    source.close()
    times = np.concatenate([block.timestamps for block in blocks])
    assert times[-1] - times[0] >= 150_000_000, "5 steps of 40 ms, but for when the first was read"


def test_a_recording_is_repeated(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(3))
    player = Player([Track(file=file, address=ANY)], repeat=3, rate_hz=1000.0)
    player.open()
    source = opened(StinsSource(player.tracks[0].address))
    with playing(player):
        blocks, lost = read_scan(source, scans=3)
    source.close()
    assert (sum(map(len, blocks)), lost) == (15, [])


FIELDS = [
    pandabox.Field(name="COUNTER1.OUT", type="double", capture="Value"),
    pandabox.Field(name="PCAP.TS_TRIG", type="double", capture="Value", scale=8e-9, units="s"),
]
ARM = [pandabox.encode_start(FIELDS), *[pandabox.encode_row(float(n), n * 0.1) for n in range(50)]]


def test_a_byte_stream_is_served_after_its_greeting(tmp_path: Path) -> None:
    pieces = [[piece] for piece in [b"OK\n", *ARM, pandabox.encode_end(50)]]
    file = written(tmp_path / "panda.cbors", pieces, protocol="pandabox", step_ns=1)
    player = Player([Track(file=file, address=ANY)])
    player.open()
    assert player.tracks[0].socket == "tcp"
    source = opened(PandaboxSource(player.tracks[0].address))
    with playing(player) as failures:
        blocks, lost = read_scan(source)
    source.close()
    assert (failures, lost) == ([], [])
    rows = np.concatenate([np.asarray(block.columns[0]) for block in blocks if block.kind is Kind.DATA])
    assert rows["COUNTER1.OUT.Value"].tolist() == [float(n) for n in range(50)]


def test_a_byte_stream_that_stops_early_is_lost_and_ended(tmp_path: Path) -> None:
    file = written(tmp_path / "panda.cbors", [[piece] for piece in ARM], protocol="pandabox", step_ns=1)
    player = Player([Track(file=file, address=ANY)])
    player.open()
    source = opened(PandaboxSource(player.tracks[0].address))
    ended: list[bool] = []
    lost: list[str] = []
    with playing(player):
        while not ended:
            reading = source.read(0)
            lost += reading.unparsable
            ended += [True] * reading.ended
    source.close()
    assert len(lost) == 1
    assert "END line did not come" in lost[0]


def test_another_greeting_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "panda.cbors", [[piece] for piece in ARM], protocol="pandabox", step_ns=1)
    player = Player([Track(file=file, address=ANY)], wait_s=5)
    player.open()
    port = int(player.tracks[0].address.rpartition(":")[2])
    with playing(player) as failures, socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
    (failure,) = failures
    assert "the client said b'G'" in str(failure)


def test_nobody_who_receives_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(3))
    for kind in ("pub", "push", "tcp"):
        player = Player([Track(file=file, address=ANY, socket=kind)], wait_s=0.1)
        player.open()
        with pytest.raises(SourceError, match=r"nobody came to receive a.cbors within 0.1 s"):
            player.run()
        player.close(0)


def test_a_subscriber_that_leaves_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(3))
    player = Player([Track(file=file, address=ANY, socket="pub")], rate_hz=50.0, repeat=0)
    player.open()
    receiver = ZmqReceiver("sub", player.tracks[0].address)
    receiver.open()
    with playing(player) as failures:
        while receiver.receive() is None:
            receiver.wait(1)
        receiver.close()
    assert "the last subscriber has gone" in str(failures[0])


@pytest.mark.parametrize("kind", ["pub", "push", "tcp"])
def test_a_port_in_use_is_named(tmp_path: Path, kind: Any) -> None:
    file = written(tmp_path / "a.cbors", images(3))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        player = Player([Track(file=file, address=f"tcp://127.0.0.1:{port}", socket=kind)])
        with pytest.raises(SourceError, match=rf"tcp://127.0.0.1:{port} is in use by another program .* or port 0"):
            player.open()


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(3))
    player = Player([Track(file=file, address="tcp://192.0.2.1:0")])
    with pytest.raises(SourceError, match=r"is not an address of this machine"):
        player.open()


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("albaem-dump.cbors", "albaem"),
        ("contrast-dump.cbors", "contrast"),
        ("maui-02-continuous-3.cbor.gz", "lecroy"),
        ("pcap-zmq.cbors", "pandabox-zmq"),
        ("xspress3-dump.cbors", "xspress3"),
    ],
)
def test_the_protocol_is_guessed(recordings: Path, name: str, protocol: str) -> None:
    assert guess_protocol(recordings / name) == protocol


def test_no_protocol_is_guessed_where_none_fits(tmp_path: Path) -> None:
    assert guess_protocol(written(tmp_path / "a.cbors", [[b"something else"]])) == ""


@pytest.mark.parametrize("source_type", [StinsSource, ContrastSource, PandaboxSource])
def test_an_instrument_that_does_not_answer_is_named(source_type: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    source = opened(source_type(f"tcp://127.0.0.1:{free}", connect_s=0.2))
    with pytest.raises(SourceError, match=rf"tcp://127.0.0.1:{free} was not reached within 0.2 s"):
        read_scan(source)
    source.close()


def test_what_speaks_another_language_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100)
                client.recv(1000)

        thread = threading.Thread(target=answer)
        thread.start()
        source = opened(StinsSource(f"tcp://127.0.0.1:{listener.getsockname()[1]}", connect_s=0.5))
        with pytest.raises(SourceError, match=r"was not reached within 0.5 s"):
            read_scan(source)
        source.close()
        thread.join()


def test_an_unknown_host_is_named() -> None:
    source = PandaboxSource("tcp://no.such.host.invalid:8888")
    with pytest.raises(SourceError, match=r"host 'no.such.host.invalid' is not known"):
        opened(source)
    source.close()


def test_a_wrong_address_is_refused_before_anything_is_opened() -> None:
    for source_type in (StinsSource, PandaboxSource):
        with pytest.raises(SourceError, match='port missing in "tcp://panda"; write "tcp://panda:8888"'):
            source_type("tcp://panda")


def test_a_server_that_comes_late_is_reached(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    source = opened(PandaboxSource(address))
    assert source.read(0).is_empty
    pieces = [[piece] for piece in [*ARM, pandabox.encode_end(50)]]
    player = Player([Track(file=written(tmp_path / "p", pieces, protocol="pandabox"), address=address)])
    player.open()
    with playing(player):
        blocks, _ = read_scan(source)
    source.close()
    assert sum(map(len, blocks)) == 52


def capture_while_playing(file: Path, protocol: str, to: Path, *, scans: int = 0) -> Capturer:
    player = Player([Track(file=file, address=ANY)])
    player.open()
    capturer = Capturer(protocol, player.tracks[0].address, to)
    with playing(player) as failures:
        capturer.run(scans=scans)
    assert not failures
    return capturer


def test_what_is_captured_is_what_was_played(recordings: Path, tmp_path: Path) -> None:
    file = recordings / "xspress3-dump.cbors"
    capturer = capture_while_playing(file, "xspress3", tmp_path / "again.cbors.gz", scans=1)
    assert (capturer.records, capturer.messages, capturer.unparsable) == (62, 22, 0)
    again = RecordingFile(tmp_path / "again.cbors.gz")
    records = list(again)
    assert again.trouble == ""
    assert again.traits.protocol == "xspress3"
    assert [record.parts for record in records] == [record.parts for record in RecordingFile(file)]
    times = [record.received_ns or 0 for record in records]
    assert times == sorted(times)


def test_a_byte_stream_is_captured_to_its_end(tmp_path: Path) -> None:
    pieces = [[piece] for piece in [b"OK\n", *ARM, pandabox.encode_end(50)]]
    file = written(tmp_path / "panda.cbors", pieces, protocol="pandabox", step_ns=1)
    capture_while_playing(file, "pandabox", tmp_path / "again.cbors")
    again = b"".join(part for record in RecordingFile(tmp_path / "again.cbors") for part in record.parts)
    assert again == b"".join(piece for (piece,) in pieces)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("if b'image' in parts[0]: raise ValueError('odd')", "CameraDecoder raised ValueError: odd; for a packet that"),
        ("if b'image' in parts[0]: return [{}]", "CameraDecoder.feed gave a message that is none: it is of type dict"),
        ("if b'image' in parts[0]: return None", "CameraDecoder.feed gave nothing that can be gone through"),
    ],
)
def test_a_decoder_with_a_mistake_spoils_no_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    code = f"""
from penstock.protocols.stins import StinsDecoder


class CameraDecoder(StinsDecoder):
    def feed(self, parts, received_ns):
        {line}
        return super().feed(parts, received_ns)
"""
    (tmp_path / "mistaken_camera.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mistaken_camera", raising=False)
    file = written(tmp_path / "a.cbors", images(5), protocol="stins", step_ns=1)
    capturer = capture_while_playing(file, "mistaken_camera:CameraDecoder", tmp_path / "again.cbors", scans=1)
    assert (capturer.records, capturer.messages, capturer.unparsable, capturer.scans) == (7, 2, 5, 1)
    assert capturer.mistake.startswith(says)
    assert [list(record.parts) for record in RecordingFile(tmp_path / "again.cbors")] == images(5)


def test_a_capture_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.cbors"
    path.write_bytes(b"precious")
    with pytest.raises(SinkError, match="exists; choose another name, or write over it with --force"):
        Capturer("stins", "tcp://127.0.0.1:1", path)
    assert path.read_bytes() == b"precious"


def test_a_capture_of_nobody_leaves_no_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    capturer = Capturer("stins", f"tcp://127.0.0.1:{free}", tmp_path / "a.cbors", connect_s=0.1)
    with pytest.raises(SourceError, match="was not reached"):
        capturer.run()
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    capturer = Capturer("stins", "tcp://127.0.0.1:1", tmp_path / "missing" / "a.cbors")
    with pytest.raises(SinkError, match="cannot be written: No such file or directory"):
        capturer.run()


COMMAND = [sys.executable, "-c", "import sys, typer; from penstock.cli.{0} import {0}; typer.run({0})"]


def command(name: str, *words: str) -> "subprocess.Popen[str]":
    program = [*COMMAND[:2], COMMAND[2].format(name), *words]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_commands_play_and_capture(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(10), protocol="stins", step_ns=1000)
    with command("play", str(file), "--to", ANY, "--json", "--wait-s", "20") as player:
        assert player.stdout is not None
        address = json.loads(player.stdout.readline())["files"][0]["address"]
        words = ["stins", str(tmp_path / "b.cbors"), "--connect", address, "--scans", "1", "--json"]
        with command("capture", *words) as capturer:
            out, err = capturer.communicate(timeout=20)
        assert capturer.returncode == 0, err
        result = json.loads(out)
        assert (result["records"], result["scans"], result["unparsable"]) == (12, 1, 0)
        out, err = player.communicate(timeout=20)
    assert player.returncode == 0, err
    assert json.loads(out)["state"] == "finished"
    first, second = (list(RecordingFile(tmp_path / name)) for name in ("a.cbors", "b.cbors"))
    assert [record.parts for record in first] == [record.parts for record in second]


def test_control_c_leaves_a_whole_capture(tmp_path: Path) -> None:
    file = written(tmp_path / "a.cbors", images(10))
    path = tmp_path / "b.cbors"
    player = Player([Track(file=file, address=ANY)])
    player.open()
    with playing(player), command("capture", "stins", str(path), "--connect", player.tracks[0].address) as capturer:
        deadline = time.monotonic() + DEADLINE_S
        while not path.exists() or not list(RecordingFile(path)):
            assert capturer.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        capturer.send_signal(signal.SIGINT)
        _, err = capturer.communicate(timeout=20)
    assert capturer.returncode == 0, err
    again = RecordingFile(path)
    assert list(again)
    assert again.trouble == ""


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["{file}", "--to", ANY, "--to", ANY], 2, "1 files and 2 addresses; give one --to for each file"),
        (["{file}", "--to", "tcp://localhost"], 1, "port missing"),
        (["{file}", "--to", ANY, "--socket", "dealer"], 2, "write push, pub or tcp"),
        (["missing.cbors", "--to", ANY], 1, "cannot be read"),
        (["{file}", "--to", ANY, "--own-pace"], 1, "has no times"),
        (["{file}", "--to", ANY, "--protocol", "stinks"], 1, "no protocol is called 'stinks'"),
        (["{file}", "--to", ANY, "--wait-s", "0.1"], 1, "nobody came to receive"),
    ],
)
def test_play_says_what_is_wrong(tmp_path: Path, words: list[str], code: int, says: str) -> None:
    file = written(tmp_path / "a.cbors", images(1))
    with command("play", *[word.format(file=file) for word in words]) as player:
        _, err = player.communicate(timeout=20)
    assert says in err
    assert player.returncode == code
    assert "Traceback" not in err
