"""The example in C++ and Python speak the same wire: what one writes the other reads, and what fails is said."""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import penstock
from penstock.core import Block, Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.remote_store import RemoteStore
from penstock.wire import stream_requests as say
from penstock.wire.layout import pack_block
from penstock.wire.stream_frames import MOST_BODY_BYTES, frame_bytes
from tests.system.commands import LONGEST_S, ended, started

EXAMPLE = Path(__file__).parents[2] / "examples" / "cpp"
RUN = "c2026/eiger/run 1"
COMPILER = shutil.which("g++")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no g++, and the example in C++ must be compiled")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cpp")
    for name in ("produce", "consume"):
        command = [str(COMPILER), "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O2", str(EXAMPLE / f"{name}.cpp")]
        compiled = subprocess.run([*command, "-o", str(folder / name)], capture_output=True, text=True, check=False)
        assert compiled.returncode == 0, compiled.stderr
    return folder


@contextmanager
def server(folder: Path, *words: str) -> Iterator[tuple[str, Any]]:
    with started("serve", "--store", "memory:", "--listen", "0", "--json", *words, folder=folder) as process:
        yield json.loads(process.line("{"))["address"], process


@contextmanager
def run(program: Path, *words: str, token: str = "") -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [str(program), *words],
        env={**os.environ, "PENSTOCK_STREAMS_TOKEN": token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(program: Path, *words: str, token: str = "") -> tuple[int | None, str, str]:
    with run(program, *words, token=token) as process:
        out, err = process.communicate(timeout=LONGEST_S)
        return process.returncode, out, err


def line(number: int, *arrays: NDArray[Any]) -> str:
    sums = [array.sum().item() for array in arrays]
    texts = [f"{sum_:.17g}" if isinstance(sum_, float) else str(sum_) for sum_ in sums]
    parts = [f" {array.dtype.str} {array.shape} sum {text}" for array, text in zip(arrays, texts, strict=True)]
    return f"{number}{''.join(parts)}\n"


def test_what_cpp_writes_python_reads(programs: Path, tmp_path: Path) -> None:
    with server(tmp_path) as (address, _):
        assert said(programs / "produce", address, RUN, "25", "3", "4", "10") == (0, "finished with 25 messages\n", "")
        with penstock.open_store(address) as store:
            found = list(store.consumer(RUN).follow())
        assert [message.id for message in found] == list(range(1, 26))
        for message in found:
            assert message.array.dtype == np.uint16
            assert np.array_equal(message.array, message.id + np.arange(12).reshape(3, 4))
        code, out, _ = said(programs / "consume", address, RUN, "23")
        assert (code, out) == (0, "".join(line(message.id, message.array) for message in found[23:]))


def test_cpp_follows_what_python_writes_to_its_end(programs: Path, tmp_path: Path) -> None:
    blocks: list[list[tuple[NDArray[Any], ...]]] = [
        [(np.arange(6, dtype="<f4").reshape(2, 3) / 7,)],
        [(np.full((4, 5), 65535, "<u2"),), (np.full((4, 5), 3, "<u2"),)],
        [(np.array([-5, 2], "<i2"), np.array([True, True])), (np.array([-1, -1], "<i2"), np.array([False, True]))],
        [(np.arange(4, dtype=">i4") - 9,), (np.arange(3, dtype="<f8") / 3,), ()],  # ragged
        [(np.ones((3, 700, 1000), "<f4"),)],  # more than the credit
        [(np.array(2**63 + 5, "<u8"),)],
    ]
    expected, number = [], 1
    with server(tmp_path) as (address, _), RemoteStore(address) as store, ExitStack() as stack:
        writer = stack.enter_context(store.send(StreamAddress.parse(RUN)))
        consumer = stack.enter_context(run(programs / "consume", address, RUN))
        assert consumer.stdout is not None
        for arrays in blocks:
            rows = [
                Message(id=number + k, timestamp_ns=1, array=row[0] if row else None, more=row[1:])
                for k, row in enumerate(arrays)
            ]
            writer.append(Block.of("any", rows))
            for message, row in zip(rows, arrays, strict=True):
                # Sums of float32 are made of float64, as the program does.
                wide = [np.asarray(array, "<f8") if array.dtype.kind == "f" else array for array in row]
                text = line(message.id, *wide)
                for array, other in zip(row, wide, strict=True):
                    text = text.replace(other.dtype.str, array.dtype.str)
                expected.append(text)
                assert consumer.stdout.readline() == text  # before the next is written
            number += len(rows)
        writer.finish()
        out, err = consumer.communicate(timeout=LONGEST_S)
        assert (consumer.returncode, out, err) == (0, "", "")
        assert said(programs / "consume", address, RUN) == (0, "".join(expected), "")


def test_an_aborted_stream_is_no_success(programs: Path, tmp_path: Path) -> None:
    with server(tmp_path) as (address, _), RemoteStore(address) as store:
        with store.send(StreamAddress.parse(RUN)) as writer:
            writer.append(Block.of("any", [Message(id=7, timestamp_ns=1, array=np.ones(2, "<u2"))]))
            writer.abort("the shutter fell")
        code, out, err = said(programs / "consume", address, RUN)
        assert (code, out) == (1, "7 <u2 (2,) sum 2\n")
        assert err == f"consume: {RUN} was aborted: the shutter fell\n"
        code, _, err = said(programs / "produce", address, RUN, "1")
        assert code == 1
        assert err.startswith(f"produce: StateError: {RUN} was aborted")


def test_a_token_is_of_the_environment_and_a_wrong_one_refused(programs: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("5" * 64)
    issue = ("token", "issue", "--secret-file", str(secret), "--name", "camera")
    token = ended(*issue, "--scope", "write:c2026/eiger", "--days", "1", folder=tmp_path).out.strip()
    with server(tmp_path, "--secret-file", str(secret)) as (address, _):
        code, _, err = said(programs / "produce", address, RUN, "5", token="wrong")
        assert (code, err.partition(";")[0]) == (1, "produce: ServiceError: the token is not one of this server")
        code, _, err = said(programs / "produce", address, RUN, "5")
        assert (code, err.partition(";")[0]) == (1, "produce: ServiceError: this server wants a token")
        assert said(programs / "produce", address, RUN, "5", token=token)[0] == 0
        code, out, err = said(programs / "consume", address, RUN, token=token)  # it may write only
        assert (code, out) == (1, "")
        assert err.startswith("consume: ServiceError: ")


def test_a_server_that_is_killed_is_an_error_of_both(programs: Path, tmp_path: Path) -> None:
    with server(tmp_path) as (address, process), ExitStack() as stack:
        consumer = stack.enter_context(run(programs / "consume", address, RUN))
        producer = stack.enter_context(run(programs / "produce", address, RUN, "999999999", "200", "200", "5"))
        assert consumer.stdout is not None
        assert consumer.stdout.readline().startswith("1 <u2 (200, 200) sum ")
        process.process.kill()
        for name, program in (("consume", consumer), ("produce", producer)):
            _, err = program.communicate(timeout=LONGEST_S)
            assert program.returncode == 1
            assert err.startswith((f"{name}: the server closed the connection", f"{name}: the connection to the serv"))


@pytest.mark.parametrize("at", [40, -1], ids=["head", "body"])
def test_a_flipped_bit_is_found(programs: Path, at: int) -> None:
    packed = pack_block(Block.of("any", [Message(id=1, timestamp_ns=1, array=np.ones(32, "<u2"))]))
    body = b"".join(piece.tobytes() for piece in packed.pieces())
    welcome = frame_bytes(0, say.encode_head(say.Welcome(1, 1, False, 1 << 20, MOST_BODY_BYTES)))
    stored = bytearray(frame_bytes(1, say.encode_head(say.Stored(packed.layout, 0)), body) + body)
    stored[at] ^= 1
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(LONGEST_S)

        def serve() -> None:
            with listening.accept()[0] as link, suppress(ConnectionError):  # what is not read resets it
                link.sendall(welcome + stored)
                while link.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        code, out, err = said(programs / "consume", f"127.0.0.1:{listening.getsockname()[1]}", RUN)
        thread.join(LONGEST_S)
    what = "head" if at > 0 else "body"
    assert (code, out) == (1, "")
    assert err == f"consume: the {what} of a frame is not what was sent: its check sum differs\n"


@pytest.mark.parametrize("words", [("produce",), ("produce", "h:1", RUN, "x"), ("consume", "h:1", RUN, "-1")])
def test_a_wrong_command_line_shows_the_right_one(programs: Path, words: tuple[str, ...]) -> None:
    code, out, err = said(programs / words[0], *words[1:])
    assert (code, out) == (2, "")
    assert err.startswith(f"usage: {words[0]} HOST:PORT BEAMTIME/SOURCE/STREAM")
