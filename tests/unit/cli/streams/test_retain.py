"""``penstock streams retain``, and pins by ``groups``: what is kept, removed, held, printed and refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penstock.cli.main import app
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.retention import Retention
from penstock.core.stream_address import StreamAddress
from penstock.errors import StoreFullError
from penstock.streams.directory import DirectoryStore
from penstock.streams.kept_retention import pinned_groups, retention_of

RUN = StreamAddress.parse("c2026/eiger/run 1")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DirectoryStore]:
    """A store of two streams with five segments each, of one message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_STORE", raising=False)
    with DirectoryStore("penstock-data", segment_bytes=1) as store:
        for name in ("run 1", "run 2"):
            with store.write(StreamAddress("c2026", "eiger", name), sync="none") as writer:
                for n in range(1, 6):
                    writer.append(Block.of("", [Message(id=n)]))
    with DirectoryStore("penstock-data") as store:  # nothing is done in the background any more
        yield store


def said(*words: str) -> Result:
    result = CliRunner().invoke(app, ["streams", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["streams", *words])
    assert result.exit_code, result.output
    return f"exit {result.exit_code}: {result.output}"


def test_a_limit_is_kept_and_done_at_once(store: DirectoryStore) -> None:
    result = said("retain", str(RUN), "--count", "2", "--most", "1.5GB", "--age", "2d")
    assert result.stdout.splitlines()[0] == f"{RUN}: kept are 1.5 GB at most, no older than 172,800 s, the newest 2"
    assert result.stdout.splitlines()[1].startswith(f"  {RUN}: 3 messages removed, ")
    assert retention_of(store, RUN) == Retention(age_s=172_800, nbytes=1_500_000_000, count=2)
    assert store.info(RUN).removed == 3
    again = json.loads(said("retain", str(RUN), "--json").stdout)
    assert (again["kept"]["count"], again["streams"][str(RUN)]["messages"]) == (2, 0)
    assert "  kept       1.5 GB at most, no older than 172,800 s, the newest 2\n" in said("info", str(RUN)).stdout


def test_a_source_keeps_so_much_of_each_stream(store: DirectoryStore) -> None:
    said("retain", "c2026/eiger", "--count", "1")
    assert [info.removed for info in store.streams()] == [4, 4]
    assert said("retain", "c2026/eiger", "--off").stdout == "c2026/eiger: everything is kept\n"
    assert retention_of(store, RUN.parent) is None


def test_a_pinned_group_keeps_what_it_has_not_acknowledged(store: DirectoryStore) -> None:
    with store.group(RUN, "fit", flush_s=0) as member:
        member.acknowledge(1, epoch=member.claim(2).epoch)
    assert (
        said("groups", str(RUN), "fit", "--pin").stdout == f"{RUN}, fit: pinned; what it has not acknowledged is kept\n"
    )
    first, second = said("retain", str(RUN), "--count", "1").stdout.splitlines()
    assert first == f"{RUN}: kept are the newest 1"
    assert second.startswith(f"  {RUN}: 1 messages removed, ")
    assert second.endswith("stay, as the pinned group 'fit' has yet to acknowledge 4, the first 2")
    assert "  pinned     fit\n" in said("info", str(RUN)).stdout
    unread = said("retain", str(RUN), "--count", "1", "--even-unread", "--json")
    assert json.loads(unread.stdout)["streams"][str(RUN)]["unread"] == 3
    assert json.loads(said("groups", str(RUN), "fit", "--unpin", "--json").stdout)["pinned"] is False
    assert not pinned_groups(store, RUN)


def test_a_group_is_pinned_before_it_is_there(store: DirectoryStore) -> None:
    assert said("groups", str(RUN), "later", "--pin").stdout.endswith("is kept. There is no such group yet\n")
    assert pinned_groups(store, RUN) == ["later"]
    said("groups", str(RUN), "later", "--unpin")
    assert "has no group 'later'" in refused("groups", str(RUN), "later", "--unpin")


def test_a_disk_too_full_to_note_it_is_freed_first(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    change = DirectoryStore.set_metadata

    def full(self: DirectoryStore, *given: object, **more: object) -> None:
        if not self.info(RUN).removed:
            raise StoreFullError("no room")
        change(self, *given, **more)  # type: ignore[arg-type]  # whatever it was called with

    monkeypatch.setattr(DirectoryStore, "set_metadata", full)
    said("retain", str(RUN), "--count", "2")
    assert store.info(RUN).removed == 3
    assert retention_of(store, RUN) == Retention(count=2)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("c2026",), "c2026 is a beamtime"),
        ((str(RUN), "--most", "8"), "'8' is no number with a unit"),
        ((str(RUN), "--age", "2 weeks"), "'2 weeks' is no number with a unit"),
        ((str(RUN), "--even-unread"), "there is no limit beside it"),
        ((str(RUN), "--off", "--count", "1"), "a limit cannot be given with --off"),
    ],
)
def test_what_is_wrong_is_said(store: DirectoryStore, words: tuple[str, ...], text: str) -> None:
    found = refused("retain", *words)
    assert found.startswith("exit 2")
    assert text in found
    assert store.info(RUN).removed == 0


def test_without_a_limit_something_must_have_been_said(store: DirectoryStore) -> None:
    assert f"nothing was said of the retention of {RUN}" in refused("retain", str(RUN))
    assert "there is no stream" in refused("retain", "c2026/eiger/run 3")
    assert store.info(RUN).removed == 0
