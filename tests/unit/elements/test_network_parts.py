"""The small parts of elements that talk to a network: templates, pauses, addresses, losses, and who may look."""

import logging
import threading
from typing import Any

import pytest

from penstock.elements.browser_gate import BrowserGate
from penstock.elements.http_post import shown_url
from penstock.elements.losses import Losses
from penstock.elements.network_address import check_listening, is_local
from penstock.elements.patience import Patience


def test_pauses_end_with_the_tries() -> None:
    patience = Patience(3, first_s=0.001)
    assert [patience.wait(attempt) for attempt in (1, 2, 3)] == [True, True, False]


def test_who_waits_is_let_go_when_the_run_ends() -> None:
    patience = Patience(3, first_s=1000.0, most_s=1000.0, linger_s=0.0)
    found: list[bool] = []
    waiting = threading.Thread(target=lambda: found.append(patience.wait(1)))
    waiting.start()
    patience.hasten()
    waiting.join(30)
    assert found == [False]
    assert patience.left_s == 0


def test_a_pause_that_fits_is_kept_at_the_end() -> None:
    patience = Patience(3, first_s=0.01, linger_s=30.0)
    patience.hasten()
    assert patience.wait(1)
    assert not patience.wait(1, at_least_s=60.0)


@pytest.mark.parametrize("arguments", [{"tries": 0}, {"tries": 1, "first_s": -1.0}, {"tries": 1, "linger_s": -1.0}])
def test_patience_has_bounds(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"must be at least 1|below 0"):
        Patience(**arguments)


def test_losses_are_counted_and_the_first_of_each_size_is_written(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses("zmq-pull x")
    for number in range(150):
        losses.add(f"text {number}")
    assert losses.total == 150
    news = losses.news()
    assert sum(count for _, count in news) == 150
    assert len(news) <= 33
    assert losses.news() == []
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line.partition(": ")[2].split()[0] for line in said] == ["1", "10", "100"]


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("tcp://127.0.0.1:1", False), ("tcp://localhost:1", False), ("tcp://[::1]:1", False), ("ipc://x", False),
        ("inproc://x", False), ("tcp://127.9.9.9:1", False), ("tcp://0.0.0.0:1", True), ("tcp://*:1", True),
        ("tcp://[::]:1", True), ("tcp://eth0:1", True), ("tcp://192.168.0.4:1", True),
    ],
)  # fmt: skip
def test_who_listens_beyond_this_machine_says_so(address: str, is_open: bool) -> None:
    check_listening([address], open_to_network=True)
    if is_open:
        with pytest.raises(ValueError, match="say open_to_network: true"):
            check_listening([address], open_to_network=False)
    else:
        check_listening([address], open_to_network=False)


def test_names_that_only_look_local_are_not() -> None:
    assert not is_local("127.0.0.1.evil.example")
    assert not is_local("localhost.evil.example")
    assert not is_local("")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://chat.example/hooks/T0/secret", "https://chat.example/hooks/…"),
        ("http://user:pw@[::1]:8080/a?token=x", "http://[::1]:8080/a/…"),
        ("https://x.example", "https://x.example/"),
    ],
)
def test_secrets_of_an_address_are_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize("url", ["", "chat.example/x", "ftp://x/y", "https://", "https://x:port/"])
def test_what_is_no_address_of_a_service(url: str) -> None:
    with pytest.raises(ValueError, match='write "https://HOST/PATH"'):
        shown_url(url)


@pytest.mark.parametrize("host", ["localhost:8500", "127.0.0.1:8500", "[::1]:8500", "LOCALHOST:1"])
def test_this_machine_is_let_in(host: str) -> None:
    assert BrowserGate("127.0.0.1").refusal("/", {"Host": host}) == (0, "")


@pytest.mark.parametrize("host", ["evil.example:8500", "", "localhost.evil.example:1", "x:y"])
def test_other_names_of_it_are_not(host: str) -> None:
    assert BrowserGate("127.0.0.1").refusal("/", {"Host": host})[0] == 403


def test_a_token_is_compared_whatever_it_holds() -> None:
    gate = BrowserGate("0.0.0.0", "gehe1m ß")
    assert gate.refusal("/?token=gehe1m%20%C3%9F", {}) == (0, "")
    assert gate.refusal("/?token=%ff", {})[0] == 401
    assert gate.refusal("/", {"Authorization": "Bearer \udcff"})[0] == 401
    assert gate.refusal("/", {"Authorization": "Basic x"})[0] == 401
