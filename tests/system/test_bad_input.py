"""Bad input through a whole run, as a process.

It ends, its exit code and its books are right, and it says what was wrong, where, and what would be right.
"""

import contextlib
import os
import pickle
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest

from penstock.formats.recording import encode_record
from penstock.protocols import pandabox, stins
from penstock.services.player import Player, Track
from tests.system.commands import ended
from tests.system.small_job import PIXELS, POINTS, SmallJob
from tests.system.sockets import playing

ANY = "tcp://127.0.0.1:0"


@pytest.fixture
def job(tmp_path: Path) -> SmallJob:
    return SmallJob(tmp_path)


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens, and nobody else will begin to."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{reserved.getsockname()[1]}"


def sums(job: SmallJob) -> tuple[list[int], int, str]:
    """Which events are in the result, their sum, and how the file says that the run ended."""
    with h5py.File(job.folder / "out" / "r1.h5") as file:
        return file["numbers"][()].tolist(), int(file["sum"][()]), file.attrs["outcome"]


def test_nothing_is_wrong(job: SmallJob) -> None:
    said = job.run()
    assert (said.code, said.err) == (0, "")
    assert sums(job) == (list(range(POINTS)), 720, "finished")


# Packets


@pytest.mark.parametrize(
    ("stream", "packet", "says"),
    [
        ("det", [b"\xff\x00garbage"], "not a JSON object"),
        ("con", [b"\xff\x00garbage"], "pickle"),
        ("con", [pickle.dumps({"status": "running", "x": os.system})], "posix.system"),
        ("det", stins.encode_image(5, PIXELS)[:1], "2 would be right"),
        ("det", [stins.encode_image(5, PIXELS)[0], b"short"], "5 bytes"),
        ("det", stins.encode_image(5, b"\0" * 32, shape=[7, 7], type="uint16"), "shape"),
        ("det", stins.encode_image(5, b"\0" * 32, shape=[-4, -4], type="uint16"), "shape"),
    ],
    ids=["garbage", "garbage-pickle", "forbidden", "no-pixels", "truncated", "too-few", "negative"],
)
def test_a_packet_that_cannot_be_read_is_counted(job: SmallJob, stream: str, packet: list[bytes], says: str) -> None:
    getattr(job, stream).insert(5, packet)
    said = job.run()
    assert said.code == 0
    assert said.edge("instrument", stream) == {"in": POINTS + 3, "done": POINTS + 2, "unparsable": 1}
    (line,) = (line for line in said.out.splitlines() if line.startswith(f"instrument → {stream}: unparsable: "))
    assert says in line
    assert sums(job) == (list(range(POINTS)), 720, "finished")


def test_an_image_that_arrives_spoilt_lacks_in_its_event_alone(job: SmallJob) -> None:
    job.det[6] = [job.det[6][0], job.det[6][1][:7]]
    said = job.run()
    assert said.code == 3
    assert said.edge("det", "scan") == {"in": 11, "joined": 11, "gaps": 1}
    assert "scan: 1 events lack a part" in said.out
    assert sums(job) == ([0, 1, 2, 3, 4, 6, 7, 8, 9], 640, "incomplete")


def test_an_image_of_another_shape_stops_user_code_that_minds(job: SmallJob) -> None:
    job.code = job.code.replace("image.array.sum()", "image.array.reshape(4, 4).sum()")
    job.det[6] = stins.encode_image(5, PIXELS[:2])
    said = job.run()
    assert said.code == 1
    assert "stage count, event 5: ValueError: cannot reshape array of size 8" in said.out


def test_a_recording_that_is_cut_off(job: SmallJob) -> None:
    job.write()
    whole = encode_record(job.det[7])
    job.det = job.det[:7]
    job.sources["det"]["file"] = "cut.cbors"
    data = b"".join(map(encode_record, job.det)) + whole[: len(whole) // 2]
    job.folder.joinpath("cut.cbors").write_bytes(data)
    said = job.run()
    assert said.code == 3
    assert said.edge("instrument", "det") == {"in": 8, "done": 7, "unparsable": 1}
    assert "cut.cbors" in said.out
    assert sums(job) == ([0, 1, 2, 3, 4, 5], 240, "incomplete")


@pytest.mark.parametrize("stream", ["con", "det"])
def test_an_end_before_the_start_belongs_to_the_scan_before(job: SmallJob, stream: str) -> None:
    packets = getattr(job, stream)
    packets.insert(0, packets[-1])
    said = job.run()
    assert said.code == 0
    assert said.edge(stream, "scan") == {"in": POINTS + 3, "joined": POINTS + 2, "late": 1}
    assert "an end before the start: left over from an earlier scan" in said.out
    assert sums(job) == (list(range(POINTS)), 720, "finished")


def test_leftovers_of_the_scan_before_do_not_become_events(job: SmallJob) -> None:
    job.det = [*job.det[-4:], *job.det]
    said = job.run()
    assert said.code == 0
    assert said.edge("det", "scan") == {"in": POINTS + 6, "joined": POINTS + 2, "late": 4}
    assert sums(job) == (list(range(POINTS)), 720, "finished")


# Frames


def test_more_frames_than_the_map_says(job: SmallJob) -> None:
    job.mapped = 8
    said = job.run()
    assert said.code == 0
    for stream in ("con", "det"):
        assert said.edge(stream, "scan") == {"in": POINTS + 2, "joined": 10, "discarded": 2}
    assert "the map has 8 messages of det, 2 more came" in said.out
    assert sums(job)[0] == list(range(8))


def test_fewer_frames_than_the_map_says(job: SmallJob) -> None:
    job.mapped = 13
    said = job.run()
    assert said.code == 3
    assert said.report["joins"]["scan"] == {"formed": 10, "planned": 13, "unformed": 3, "partial": 0}
    assert "scan: 3 planned events never formed" in said.out
    assert sums(job) == (list(range(POINTS)), 720, "incomplete")


def test_a_doubled_frame_counts_once(job: SmallJob) -> None:
    job.det.insert(5, job.det[4])
    said = job.run()
    assert said.code == 0
    assert said.edge("det", "scan") == {"in": POINTS + 3, "joined": POINTS + 2, "duplicate": 1}
    assert sums(job) == (list(range(POINTS)), 720, "finished")


def test_a_missing_frame_leaves_its_place_empty(job: SmallJob) -> None:
    del job.det[5]
    said = job.run()
    assert said.code == 3
    assert said.edge("det", "scan") == {"in": POINTS + 1, "joined": POINTS + 1, "gaps": 1}
    assert said.edge("scan", "count") == {"in": POINTS, "done": POINTS - 1, "filtered": 1}
    assert sums(job) == ([0, 1, 2, 3, 5, 6, 7, 8, 9], 656, "incomplete")


def test_two_frames_swapped_come_back_in_order(job: SmallJob) -> None:
    job.join["by"]["trigger-map"]["reorder"] = 2
    job.det[4], job.det[5] = job.det[5], job.det[4]
    said = job.run()
    assert said.code == 0
    assert said.edge("det", "scan") == {"in": POINTS + 2, "joined": POINTS + 2, "reordered": 1}
    assert sums(job) == (list(range(POINTS)), 720, "finished")


def test_two_frames_swapped_without_patience_lose_one(job: SmallJob) -> None:
    job.det[4], job.det[5] = job.det[5], job.det[4]
    said = job.run()
    assert said.code == 3
    assert said.edge("det", "scan")["late"] == 1
    assert sums(job)[2] == "incomplete"


# Instruments


@pytest.mark.parametrize(("use", "who"), [("stins", "det"), ("xspress3", "det"), ("contrast", "con")])
def test_an_instrument_that_is_not_there(job: SmallJob, use: str, who: str) -> None:
    with nobody() as address:
        job.sources[who] = {"use": use, "connect": address, "connect_s": 0.3}
        job.join["wait_s"] = 20
        said = job.run()
    assert said.code == 3
    assert f"{who}: {address} was not reached within 0.3 s; see whether the instrument is on" in said.out


def test_no_instrument_is_there(job: SmallJob) -> None:
    job.join["wait_s"] = 20
    with nobody() as one, nobody() as other:
        job.sources = {
            "con": {"use": "contrast", "connect": one, "connect_s": 0.3},
            "det": {"use": "stins", "connect": other, "connect_s": 0.6},
        }
        said = job.run()
    assert said.code == 3
    for who, address, s in (("con", one, 0.3), ("det", other, 0.6)):
        assert f"{who}: {address} was not reached within {s} s; see whether the instrument is on" in said.out
    assert job.outputs == []


def test_an_instrument_nobody_waits_long_enough_for(job: SmallJob) -> None:
    with nobody() as address:
        job.sources["det"] = {"use": "stins", "connect": address}
        said = job.run()
    assert said.code == 3
    assert "instrument → det: silent: nothing ever came; see whether it is on and its address is right" in said.out


def test_a_tcp_instrument_that_is_not_there(job: SmallJob) -> None:
    with nobody() as address:
        job.sources["panda"] = {"use": "pandabox", "connect": address, "connect_s": 0.3}
        job.stages["watch"] = {"from": "panda", "steps": ["count"]}
        said = job.run()
    assert said.code == 3
    assert f"panda: {address} was not reached within 0.3 s (ECONNREFUSED)" in said.out


def test_an_instrument_that_speaks_another_language(job: SmallJob) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        job.sources["det"] = {"use": "stins", "connect": address, "connect_s": 0.5}
        job.join["wait_s"] = 20
        thread = threading.Thread(target=_chatter, args=(server,))
        thread.start()
        said = job.run()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert said.code == 3
    assert "does not speak ZeroMQ" in said.out


def _chatter(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        # The receiver may hang up at the first wrong byte.
        with client, contextlib.suppress(ConnectionError):
            client.sendall(b"220 welcome to the file server of this laboratory, please log in\r\n")
            client.recv(1000)


def test_a_host_nobody_knows(job: SmallJob) -> None:
    job.sources["panda"] = {"use": "pandabox", "connect": "tcp://no-such-host.invalid:8889"}
    job.stages["watch"] = {"from": "panda", "steps": ["count"]}
    said = job.run()
    assert said.code == 1
    assert "no-such-host.invalid" in said.out
    assert job.outputs == []


def test_an_instrument_that_falls_silent(job: SmallJob) -> None:
    job.write()
    half = job.folder / "half.cbors"
    half.write_bytes(b"".join(map(encode_record, job.det[:6])))
    player = Player([Track(file=half, address=ANY, protocol="stins", socket="push")])
    player.open()
    job.sources["det"] = {"use": "stins", "connect": player.tracks[0].address}
    player_con = Player([Track(file=job.folder / "con.cbors", address=ANY, protocol="contrast", socket="pub")])
    player_con.open()
    job.sources["con"] = {"use": "contrast", "connect": player_con.tracks[0].address}
    with playing(player), playing(player_con):
        said = job.run()
    assert said.code == 3
    assert said.report["joins"]["scan"] == {"formed": 10, "planned": 10, "unformed": 0, "partial": 5}
    assert "det → scan: no end: nothing came for 0.3 s after others had ended" in said.out
    assert sums(job) == ([0, 1, 2, 3, 4], 160, "incomplete")


@pytest.mark.parametrize(
    ("how", "says"),
    [("closes", "the connection ended in the middle of an arm"), ("breaks", "the connection broke: Connection reset")],
)
def test_a_connection_that_is_lost(job: SmallJob, how: str, says: str) -> None:
    fields = [pandabox.Field(name="COUNTER1.OUT", type="double", capture="Value")]
    sent = pandabox.encode_start(fields) + b"".join(pandabox.encode_row(float(n)) for n in range(4)) + b" 5"
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve_once, args=(server, sent, how))
        thread.start()
        job.sources["panda"] = {"use": "pandabox", "connect": f"tcp://127.0.0.1:{server.getsockname()[1]}"}
        job.join |= {"join": ["con", "panda"], "by": "order"}
        job.sources.pop("det")
        job.code = job.code.replace('"det"', '"panda"').replace("image.array", 'image.array["COUNTER1.OUT.Value"]')
        said = job.run()
        thread.join()
    assert said.code == 3
    assert says in said.out
    # What had not been read when a connection breaks is gone with it.
    assert said.report["joins"]["scan"]["partial"] == 6 or how == "breaks"


def _serve_once(server: socket.socket, sent: bytes, how: str) -> None:
    client, _ = server.accept()
    with client:
        client.recv(1000)
        client.sendall(sent)
        if how == "breaks":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset


def test_a_port_that_is_busy(job: SmallJob) -> None:
    job.write()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for kind in ("push", "tcp"):
            words = ("play", "det.cbors", "--protocol", "stins", "--socket", kind, "--to", f"tcp://127.0.0.1:{port}")
            said = ended(*words, folder=job.folder)
            assert said.code == 1
            assert re.search(rf"tcp://127.0.0.1:{port} is in use by another program .* choose another port", said.err)
            assert "Traceback" not in said.text


# Outputs


def test_a_folder_that_cannot_be_written(job: SmallJob) -> None:
    job.folder.joinpath("out").write_text("a file where a folder should be")
    said = job.run()
    assert said.code == 1
    assert "out/r1.h5: cannot be written" in said.out
    assert "name a folder you may write to" in said.out


def test_an_output_that_exists(job: SmallJob) -> None:
    job.sinks["file"]["existing"] = "refuse"
    job.folder.joinpath("out").mkdir()
    job.folder.joinpath("out", "r1.h5").write_text("precious")
    said = job.run()
    assert said.code == 1
    assert "out/r1.h5 exists; move it, put {run} in its name, or say existing: next" in said.out
    assert job.folder.joinpath("out", "r1.h5").read_text() == "precious"
    job.sinks["file"].pop("existing")
    said = job.run()
    assert (said.code, job.outputs) == (0, ["r1-2.h5", "r1.h5"])
    assert said.report["outputs"]["file"].endswith("out/r1-2.h5")


def test_a_report_that_cannot_be_written(job: SmallJob) -> None:
    said = job.run("--report", "nowhere/report.json")
    assert said.code == 2
    assert "--report: nowhere/report.json: No such file or directory; name a file in a folder" in said.err
    assert job.outputs == []


def test_an_event_log_that_exists(job: SmallJob) -> None:
    job.folder.joinpath("events.log").write_text("precious")
    said = job.run("--event-log", "events.log")
    assert said.code == 1
    assert "event log events.log: is there already; name another file" in said.out
    assert job.folder.joinpath("events.log").read_text() == "precious"


# User code


def test_a_hook_that_is_misspelt(job: SmallJob) -> None:
    job.code += "\n    def on_start(self, event):\n        pass\n"
    said = job.run()
    assert said.code == 2
    assert "Sums.on_start is never called; did you mean `start`?" in said.err
    assert "stages.sums" in said.err


def test_a_constructor_that_raises(job: SmallJob) -> None:
    job.code = job.code.replace("self.views = {}", 'open("no-such-file")', 1)
    said = job.run()
    assert said.code == 1
    assert "stage sums" in said.out
    assert "FileNotFoundError" in said.out
    assert 'open("no-such-file")' in said.out, "the line that raised"
    assert job.outputs == []


def test_a_file_of_user_code_that_cannot_be_imported(job: SmallJob) -> None:
    job.code = job.code.replace("class Sums:", "class Sums")
    said = job.run()
    assert said.code == 2
    assert "code.py" in said.err
    assert "SyntaxError" in said.err


def test_user_code_that_raises(job: SmallJob) -> None:
    job.code = job.code.replace('event["det"]', 'event["det"]\n    assert event.number != 7, "seven is odd"')
    said = job.run()
    assert said.code == 1
    assert "stage count, event 7: AssertionError: seven is odd" in said.out
    assert 'in count\n    assert event.number != 7, "seven is odd"' in said.out
    assert said.edge("scan", "count") == {"in": 10, "done": 7, "failed": 1, "aborted": 2}


def test_a_hook_that_raises(job: SmallJob) -> None:
    job.code += "\n    def start(self, event):\n        self.title = event['con'].metadata['titel']\n"
    said = job.run()
    assert said.code == 1
    assert "stage sums, hook start: KeyError: 'titel'" in said.out
    assert "in start\n    self.title = event['con'].metadata['titel']" in said.out


def test_user_code_that_raises_may_set_its_event_aside(job: SmallJob) -> None:
    job.code = job.code.replace('event["det"]', 'event["det"]\n    assert event.number != 7, "seven is odd"')
    job.stages["count"]["on_error"] = "dead_letter"
    said = job.run()
    assert said.code == 3
    assert said.report["outcome"] == "finished"
    assert [letter["event"] for letter in said.report["dead_letters"]] == [7]
    assert said.edge("scan", "count") == {"in": 10, "done": 9, "dead-lettered": 1}


def test_a_result_that_cannot_travel(job: SmallJob) -> None:
    job.code = job.code.replace("int(image.array.sum())", "print")
    said = job.run()
    assert said.code == 1
    assert "stage count: result is a builtin_function_or_method, which cannot travel" in said.out


def test_a_view_that_cannot_be_written(job: SmallJob) -> None:
    job.code = job.code.replace('"sum": ', '"object": object(), "sum": ')
    said = job.run()
    assert said.code == 1
    assert "object" in said.out
    assert job.outputs == []


# What was written and given


def test_a_map_that_is_missing(job: SmallJob) -> None:
    job.join["by"] = "trigger-map"
    said = job.run()
    assert said.code == 2
    assert "events.scan" in said.err
    assert "penstock run --map FILE" in said.err
    assert "--serve 8400 --stay" in said.err
    assert said.out == ""
    said = job.run("--map", "map.json")
    assert said.code == 0


def test_a_map_nobody_asked_for(job: SmallJob) -> None:
    job.join["by"] = "order"
    said = job.run("--map", "map.json")
    assert said.code == 2
    assert "--map: no join of this pipeline is by trigger map" in said.err


def test_a_map_that_is_wrong(job: SmallJob) -> None:
    job.join["by"] = "trigger-map"
    job.folder.joinpath("bad.json").write_text('{"parts": {"a": {"con": [[{}]]}}, "sequence": ["b"]}')
    for file, says in (("bad.json", "'b'"), ("none.json", "No such file")):
        said = job.run("--map", file)
        assert said.code == 2
        assert file in said.err
        assert says in said.err


def test_something_that_is_not_built_yet(job: SmallJob) -> None:
    next(iter(job.stages.values()))["run_in"] = "thread"
    said = job.run()
    assert said.code == 2
    assert "not built yet" in said.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("count.factor=-1", "count.factor: -1 is refused"),
        ("factor=much", "count.factor: 'much' is refused"),
        ("count.facto=2", 'no parameter "count.facto"'),
        ("factor", "no value in 'factor'; write STAGE.NAME=VALUE"),
    ],
)
def test_a_parameter_that_is_refused(job: SmallJob, given: str, says: str) -> None:
    job.code = job.code.replace("(event: Event)", "(event: Event, *, factor: Annotated[float, Ge(0)] = 1.0)")
    job.code = "from typing import Annotated\nfrom annotated_types import Ge\n" + job.code
    said = job.run("--set", given)
    assert said.code == 2
    assert said.err.startswith(f"penstock: --set: {says}")
    assert said.out == ""
    assert job.outputs == []


def test_a_pipeline_that_is_not_there(job: SmallJob) -> None:
    said = ended("run", "nowhere.yaml", folder=job.folder)
    assert said.code == 2
    assert "nowhere.yaml" in said.err
    assert "Traceback" not in said.text


def test_a_pipeline_with_mistakes_says_all_of_them(job: SmallJob) -> None:
    job.sources["det"]["use"] = "recordin"
    job.stages["sums"]["from"] = "cuont"
    said = job.run()
    assert said.code == 2
    assert "recording" in said.err
    assert "count" in said.err
    assert not job.folder.joinpath("report.json").exists()


# Sources and sinks of the user's own


@pytest.mark.parametrize("what", ['raise ValueError("no such register")', "import sys; sys.exit(5)"])
def test_a_source_of_ones_own_that_raises(job: SmallJob, what: str) -> None:
    job.code += f"""

from penstock.elements import Source


class Register(Source):
    def read(self, now_ns):
        {what}
"""
    job.sources["det"] = {"use": "code:Register"}
    said = job.run()
    assert said.code == 1
    assert "source det: " + ("ValueError: no such register" if "Value" in what else "SystemExit: 5") in said.out
    assert "in read" in said.out, "the line that raised"


def test_a_source_of_ones_own_whose_messages_cannot_travel(job: SmallJob) -> None:
    job.code += """

from penstock import Message
from penstock.elements import Source


class Register(Source):
    def read(self, now_ns):
        return self.reading([Message(metadata=[1])], now_ns, ended=True)
"""
    job.sources["det"] = {"use": "code:Register"}
    said = job.run()
    assert said.code == 1
    assert "source det: a message cannot travel: TypeError: " in said.out


def test_a_sink_of_ones_own_that_raises(job: SmallJob) -> None:
    job.code += """

from penstock.elements import Sink


class Board(Sink):
    def open(self, run):
        pass

    def write(self, item):
        raise ConnectionError("the board is off")

    def close(self, ended_well, outcome=""):
        pass
"""
    job.sinks["board"] = {"use": "code:Board", "from": "count"}
    said = job.run()
    assert said.code == 1
    assert "sink board: ConnectionError: the board is off" in said.out
    assert job.outputs == ["r1.h5"], "the other sink still writes what there is"


def test_user_code_that_wants_to_exit(job: SmallJob) -> None:
    job.code = job.code.replace('event["det"]', 'event["det"]\n    exit(7)')
    said = job.run()
    assert said.code == 1
    assert "stage count, event 0: SystemExit: 7" in said.out
