"""The ZeroMQ door, with real sockets: REQ and DEALER, tokens, hostile bytes, floods, and who has gone."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from penstock.core.command import Acknowledgement, Command, Reply
from penstock.errors import ServiceError
from penstock.pipeline.control_address import control_problem
from penstock.services.control_call import call
from penstock.services.control_door import ControlDoor, control_door
from penstock.wire.control import close_command, open_word
from tests.system.watching import PATIENCE_S, held, left_open
from tests.unit.services.commanded_cases import Operator
from tests.unit.wire.test_control import HOSTILE


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    before, threads = held(), threading.active_count()
    yield
    assert not left_open(before)
    assert threading.active_count() == threads


class Opened:
    """A door whose desk is looked at by a thread, as a run would."""

    def __init__(self, operator: Operator, door: ControlDoor) -> None:
        self.operator, self.door = operator, door
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._live)

    def _live(self) -> None:
        poller = zmq.Poller()
        poller.register(self.door.pollable, zmq.POLLIN)
        while not self.is_over.is_set():
            if poller.poll(100):
                self.operator.desk.poll()

    @contextmanager
    def client(self, kind: int) -> Iterator["zmq.Socket[bytes]"]:
        with zmq.Context() as context, context.socket(kind) as socket:
            socket.linger = 0
            socket.rcvtimeo = socket.sndtimeo = int(PATIENCE_S * 1000)
            socket.connect(self.door.address)
            yield socket


@contextmanager
def opened(address: str = "tcp://127.0.0.1:0", *, is_looked_at: bool = True, **tokens: str) -> Iterator[Opened]:
    operator = Operator()
    with ControlDoor(address, operator.desk, **tokens) as door:
        found = Opened(operator, door)
        if is_looked_at:
            found.thread.start()
        try:
            yield found
        finally:
            found.is_over.set()
            if is_looked_at:
                found.thread.join()


def counts(found: Opened) -> dict[str, int]:
    told: list[Any] = []
    found.operator.desk.look(told.append)
    return dict(told[0]["commands"])


def test_req_gets_the_reply_and_dealer_an_acknowledgement_before() -> None:
    with opened() as found, found.client(zmq.REQ) as req, found.client(zmq.DEALER) as dealer:
        req.send(b'{"name": "stop", "id": "1"}')
        assert open_word(req.recv()) == Reply(
            id="1", name="stop", target="", outcome="done", text="camera, motors, clean and fit held",
            state="processing",
        )  # fmt: skip
        dealer.send(b'{"name": "start", "id": "2"}')
        assert open_word(dealer.recv()) == Acknowledgement(id="2", name="start")
        reply = open_word(dealer.recv())
        assert isinstance(reply, Reply)
        assert (reply.id, reply.text) == ("2", "clean, fit, camera and motors released")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "ipc://{}/door"])
def test_a_call_is_acknowledged_and_answered(address: str, tmp_path: Path) -> None:
    told: list[bool] = []
    with opened(address.format(tmp_path)) as found:
        command = Command(name="stop-data", id="1")
        reply = call(found.door.address, command, acknowledged=lambda: told.append(True))
    assert reply.text == "camera and motors held"
    assert told == [True]


def test_who_calls_where_nobody_is_or_nobody_looks_is_told() -> None:
    with opened(is_looked_at=False) as found:
        address = found.door.address
        with pytest.raises(ServiceError, match="has the command, and no reply has come"):
            call(address, Command(name="stop", id="1"), patience_s=0.3)
    with pytest.raises(ServiceError, match="nobody answers at"):
        call(address, Command(name="stop", id="1"), patience_s=0.2)
    with pytest.raises(ServiceError, match="port missing"):
        call("tcp://127.0.0.1", Command(name="stop", id="1"))


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER])
def test_hostile_bytes_are_answered_and_counted(kind: int) -> None:
    small = [data for data in HOSTILE if len(data) <= 1 << 20]
    with opened() as found, found.client(kind) as socket:
        for data in small:
            socket.send(data)
            reply = open_word(socket.recv())
            assert isinstance(reply, Reply)
            assert (reply.outcome, reply.problem) == ("refused", "malformed")
        socket.send_multipart([b"{", b'"name"', b"}"])
        reply = open_word(socket.recv())
        assert isinstance(reply, Reply)
        assert "3 frames" in reply.text
        assert counts(found)["malformed"] == len(small) + 1
        socket.send(b'{"name": "status"}')
        assert open_word(socket.recv()).name == "status"


def test_who_sends_too_much_is_hung_up_on_and_others_are_served() -> None:
    with opened() as found, found.client(zmq.DEALER) as large, found.client(zmq.REQ) as small:
        large.send(b" " * (2 << 20))
        small.send(b'{"name": "status"}')
        assert open_word(small.recv()).name == "status"


def test_a_flood_is_answered_and_an_operator_is_heard_beside_it() -> None:
    n = 1500
    with opened() as found, found.client(zmq.DEALER) as flooding, found.client(zmq.REQ) as calm:
        flooding.sndhwm = flooding.rcvhwm = 0
        for k in range(n):
            flooding.send(b"nonsense" if k % 2 else close_command(Command(name="stop", id=str(k))))
        calm.send(b'{"name": "start", "id": "calm"}')
        reply = open_word(calm.recv())
        assert isinstance(reply, Reply)
        assert reply.is_done
        problems = {"": 0, "busy": 0, "malformed": 0}
        while sum(problems.values()) < n:
            word = open_word(flooding.recv())
            if isinstance(word, Reply):
                problems[word.problem] += 1
        assert problems["malformed"] == n // 2
        assert problems[""] >= 100
        assert counts(found)["received"] == n + 1


def test_where_the_run_does_not_look_the_door_says_that_it_is_busy() -> None:
    with opened(is_looked_at=False) as found, found.client(zmq.DEALER) as socket:
        for k in range(150):
            socket.send(close_command(Command(name="stop", id=str(k))))
        words = [open_word(socket.recv()) for _ in range(150)]
        assert sum(isinstance(word, Acknowledgement) for word in words) == 100
        assert {word.problem for word in words if isinstance(word, Reply)} == {"busy"}
        socket.send(close_command(Command(name="shutdown", id="end")))
        assert open_word(socket.recv()) == Acknowledgement(id="end", name="shutdown")
        found.operator.desk.poll()
        replies = [word for _ in range(101) if isinstance(word := open_word(socket.recv()), Reply)]
        assert replies[-1].id == "end"
        assert found.operator.desk.is_shut_down


def test_who_waits_when_the_door_closes_is_told() -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger, socket.rcvtimeo = 0, int(PATIENCE_S * 1000)
        with opened(is_looked_at=False) as found:
            socket.connect(found.door.address)
            socket.send(close_command(Command(name="stop", id="1")))
            assert isinstance(open_word(socket.recv()), Acknowledgement)
        reply = open_word(socket.recv())
        assert isinstance(reply, Reply)
        assert (reply.outcome, reply.problem) == ("failed", "ended")
        found.door.close()  # again: nothing


def test_who_has_gone_is_counted() -> None:
    with opened(is_looked_at=False) as found:
        with found.client(zmq.DEALER) as socket:
            socket.send(close_command(Command(name="stop", id="1")))
            socket.recv()
        asked = next(iter(found.door.waiting()))
        end = time.monotonic() + PATIENCE_S
        while not found.door.counts.unanswered:  # ZeroMQ notices a moment later that it has gone
            asked.answer(Reply(id="1", name="stop", target="", outcome="done", text=""))
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_reply_that_json_cannot_hold_is_sent_without_its_body() -> None:
    with opened(is_looked_at=False) as found, found.client(zmq.DEALER) as socket:
        socket.send(close_command(Command(name="stop", id="1")))
        socket.recv()
        asked = next(iter(found.door.waiting()))
        asked.answer(Reply(id="1", name="stop", target="", outcome="done", text="so", body=object()))
        reply = open_word(socket.recv())
        assert isinstance(reply, Reply)
        assert (reply.text, reply.body) == ("so", None)


def test_tokens_say_who_may_what() -> None:
    with opened(viewer_token="look", operator_token="turn") as found, found.client(zmq.REQ) as socket:

        def said(name: str, token: str) -> str:
            socket.send(close_command(Command(name=name), token))
            reply = open_word(socket.recv())
            assert isinstance(reply, Reply)
            return reply.problem or reply.outcome

        assert [said("status", token) for token in ("", "guess", "look", "turn")] == [
            "forbidden", "forbidden", "done", "done",
        ]  # fmt: skip
        assert [said("stop", token) for token in ("", "guess", "look", "turn")] == [
            "forbidden", "forbidden", "forbidden", "done",
        ]  # fmt: skip
        assert counts(found)["forbidden"] == 5


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0"])
def test_other_machines_need_a_token(address: str) -> None:
    operator = Operator()
    with pytest.raises(ServiceError, match="PENSTOCK_VIEWER_TOKEN and PENSTOCK_OPERATOR_TOKEN"):
        control_door(address, operator.desk, {})
    if not address.startswith("tcp://["):
        with control_door(address, operator.desk, {"PENSTOCK_OPERATOR_TOKEN": "turn"}) as door:
            assert not door.address.endswith(":0")


def test_an_address_that_is_in_use_is_said() -> None:
    with opened() as found, pytest.raises(ServiceError, match="is in use by another program"):
        ControlDoor(found.door.address, Operator().desk)


@pytest.mark.parametrize(
    ("address", "said"),
    [("inproc://x", "nobody outside"), ("127.0.0.1:8420", 'write "tcp://127'), ("tcp://127.0.0.1", "port missing")],
)
def test_what_is_no_address_is_said(address: str, said: str) -> None:
    assert said in control_problem(address)
    assert msgspec.json.encode(address)
