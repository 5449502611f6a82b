"""Waiting for what can be read, and passing over what must not be read now."""

import os
import time

from penstock.services.waiter import Waiter


def test_it_returns_when_something_can_be_read() -> None:
    reader, writer = os.pipe()
    try:
        waiter = Waiter()
        waiter.add(reader)
        os.write(writer, b"!")
        began = time.monotonic()
        waiter.wait(30)
        assert time.monotonic() - began < 10
        waiter.close()
    finally:
        os.close(reader)
        os.close(writer)


def test_what_is_passed_over_does_not_wake_it_but_does_the_next_time() -> None:
    reader, writer = os.pipe()
    try:
        waiter = Waiter()
        waiter.add(reader)
        os.write(writer, b"!")
        began = time.monotonic()
        waiter.wait(0.05, without=[reader])
        assert time.monotonic() - began >= 0.04
        began = time.monotonic()
        waiter.wait(30)
        assert time.monotonic() - began < 10
        waiter.close()
    finally:
        os.close(reader)
        os.close(writer)
