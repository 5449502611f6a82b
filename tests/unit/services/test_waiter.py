"""Waiting for what can be read, passing over what must not be read now, and being in time."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from penstock.services.waiter import Waiter

Pair = tuple[Any, Any]
LONG_S = 30.0


@pytest.fixture
def pipe() -> Iterator[Pair]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def sockets() -> Iterator[Pair]:
    with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
        pull.bind("inproc://waiter")
        push.connect("inproc://waiter")
        yield pull, push


def waited_s(waiter: Waiter, longest_s: float, without: tuple[Any, ...] = ()) -> float:
    began = time.perf_counter()
    waiter.wait(longest_s, without)
    return time.perf_counter() - began


def waiter_for(*pollables: Any) -> Waiter:
    waiter = Waiter()
    for pollable in pollables:
        waiter.add(pollable)
    return waiter


def test_it_returns_when_something_can_be_read(pipe: Pair) -> None:
    os.write(pipe[1], b"!")
    assert waited_s(waiter_for(None, pipe[0]), LONG_S) < LONG_S / 3


def test_it_returns_when_a_socket_or_a_descriptor_can_be_read(pipe: Pair, sockets: Pair) -> None:
    waiter = waiter_for(pipe[0], sockets[0])
    sockets[1].send(b"!")
    assert waited_s(waiter, LONG_S) < LONG_S / 3
    waiter.drop(sockets[0])
    os.write(pipe[1], b"!")
    assert waited_s(waiter, LONG_S) < LONG_S / 3


def test_what_is_passed_over_does_not_wake_it_but_does_the_next_time(pipe: Pair, sockets: Pair) -> None:
    waiter = waiter_for(pipe[0], sockets[0])
    os.write(pipe[1], b"!")
    sockets[1].send(b"!")
    assert waited_s(waiter, 0.05, (pipe[0], sockets[0], None)) >= 0.05
    assert waited_s(waiter, LONG_S, (pipe[0],)) < LONG_S / 3
    sockets[0].recv()
    assert waited_s(waiter, LONG_S) < LONG_S / 3


def test_what_was_dropped_or_forgotten_does_not_wake_it(pipe: Pair) -> None:
    os.write(pipe[1], b"!")
    waiter = waiter_for(pipe[0])
    waiter.drop(pipe[0])
    waiter.drop(pipe[0])
    waiter.drop(None)
    assert waited_s(waiter, 0.02) >= 0.02
    waiter.add(pipe[0])
    waiter.close()
    assert waited_s(waiter, 0.02) >= 0.02


def test_a_closed_descriptor_can_be_dropped() -> None:
    reader, writer = os.pipe()
    waiter = waiter_for(reader)
    waiter.wait(0)
    os.close(reader)
    os.close(writer)
    waiter.drop(reader)
    assert waited_s(waiter, 0.01) >= 0.01


@pytest.mark.parametrize("longest_s", [-1.0, 0.0, 0.0003, 0.0015])
@pytest.mark.parametrize("kind", ["nothing", "pipe", "sockets"])
def test_time_is_kept_below_a_millisecond(kind: str, longest_s: float, pipe: Pair, sockets: Pair) -> None:
    waiter = waiter_for({"nothing": None, "pipe": pipe[0], "sockets": sockets[0]}[kind])
    took = sorted(waited_s(waiter, longest_s) for _ in range(20))
    assert took[0] >= longest_s
    assert took[0] < max(longest_s, 0) + 0.0007, "the best of many is not near, so it counts in whole milliseconds"


@pytest.mark.parametrize("longest_s", [0.0003, 30.0])
def test_what_is_ready_is_noticed_however_short_the_wait(longest_s: float, pipe: Pair) -> None:
    os.write(pipe[1], b"!")
    assert min(waited_s(waiter_for(pipe[0]), longest_s) for _ in range(20)) < 0.0003


def test_descriptors_alone_do_not_import_zeromq() -> None:
    code = """
import os, sys
from penstock.services.waiter import Waiter
waiter = Waiter()
waiter.add(os.pipe()[0])
waiter.wait(0.001)
sys.exit("zmq" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
