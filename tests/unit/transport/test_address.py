"""Addresses: what is wrong with them is said before anything is opened."""

import pytest

from penstock.errors import SourceError
from penstock.transport.address import address_problem, host_and_port


@pytest.mark.parametrize(
    "address",
    ["tcp://panda:8888", "tcp://127.0.0.1:0", "tcp://*:5556", "tcp://[::1]:5556", "ipc:///tmp/a", "inproc://a"],
)
def test_good_addresses(address: str) -> None:
    assert address_problem(address) == ""


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://panda", 'port missing in "tcp://panda"; write "tcp://panda:8888"'),
        ("tcp://panda:", "port missing"),
        ("panda:8888", 'write "tcp://panda:8888"'),
        ("panda", 'write "tcp://panda:5556"'),
        ("tcp://panda:http", "port 'http'"),
        ("tcp://panda:70000", "not a number from 0 to 65535"),
        ("http://panda:80", "no address that can be reached"),
        ("tcp://pan da:80", "no address that can be reached"),
        ("tcp://panda:80/path", "no address that can be reached"),
        ("ipc://", "name missing"),
        ("", "an address is a text"),
        (5556, "an address is a text"),
    ],
)
def test_bad_addresses_say_what_would_be_right(address: object, says: str) -> None:
    assert says in address_problem(address)


def test_host_and_port() -> None:
    assert host_and_port("tcp://[::1]:80") == ("::1", 80)
    with pytest.raises(SourceError, match="not reached over TCP"):
        host_and_port("ipc:///tmp/a")
