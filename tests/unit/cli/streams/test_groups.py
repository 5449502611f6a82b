"""``penstock streams groups`` by plain calls: what it prints, moves and refuses, and that looking changes nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from penstock.cli.main import app
from penstock.cli.streams.shown import one_line, shown_ranges
from penstock.cli.streams.shown_groups import shown_ago
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from penstock.streams.membership import Membership

RUN = StreamAddress.parse("c2026/eiger/run 1")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DirectoryStore]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_STORE", raising=False)
    with DirectoryStore("penstock-data") as store:
        with store.write(RUN) as writer:
            writer.append(Block.of("", [Message(id=n) for n in range(1, 11)]))
        yield store


@pytest.fixture
def member(store: DirectoryStore) -> Iterator[Membership]:
    """One that has done 1 and 2, failed twice at 3, and holds 4, by rules that are not the usual ones."""
    with store.group(RUN, "fit", member="ann", attempts=2, order="id", gap_wait_s=0.3, flush_s=0) as member:
        assert member.claim(4).ids == [(1, 4)]
        member.acknowledge(1, 2)
        for _ in range(2):
            assert member.refuse(3, reason="too\ndark \x1b[2J") == 1
            member.claim(1)
        member.refuse(5)
        yield member


def groups(*words: str) -> Result:
    result = CliRunner().invoke(app, ["streams", "groups", str(RUN), *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def kept() -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path("penstock-data", "groups").glob("*/*"))]


def test_a_list_says_how_each_is_doing(store: DirectoryStore, member: Membership) -> None:
    store.group(RUN, "other").leave()
    fit, other = json.loads(groups("--json").stdout)
    assert (fit["name"], fit["position"], fit["lag"]) == ("fit", 5, 7)
    assert (fit["in_flight"], fit["waiting"], fit["dead"], fit["settled"]) == (1, 1, 1, 2)
    assert (fit["last_acknowledged"], fit["redelivered"]) == (2, 1)
    assert [(each["name"], each["in_flight"]) for each in fit["members"]] == [("ann", 1)]
    assert 0 <= fit["members"][0]["seen_s"] < 60
    assert (other["name"], other["lag"], other["members"]) == ("other", 10, [])
    head, first, second = groups().stdout.splitlines()
    assert head.split("  ")[0] == "group"
    assert first.split() == ["fit", "5", "7", "1", "1", "1", "1", "2", "1"]
    assert second.split() == ["other", "0", "10", "0", "0", "0", "0", "0", "0"]


def test_one_is_shown_in_detail(member: Membership) -> None:
    said = json.loads(groups("fit", "--json").stdout)
    assert said["rules"] == {"attempts": 2, "order": "id", "gap_wait_s": 0.3}
    assert said["dead_letters"] == [{"ids": [[3, 3]], "attempts": 2, "reason": "too\ndark \x1b[2J"}]
    assert said["unacknowledged"] == [[3, 10]]
    text = groups("fit").stdout
    for line in (
        f"{RUN}, fit\n",
        "  lag           7: 5 unclaimed, 1 in flight, 1 waiting\n",
        "  rules         attempts 2 at most; order by id, 0.3 s for a gap\n",
        "  not done      3–10\n",
        "too dark  [2J",
    ):
        assert line in text
    rows = [line.split() for line in text.splitlines()]
    assert ["ann", "1"] in [row[:2] for row in rows]
    assert ["3", "2", "too"] in [row[:3] for row in rows]


def test_looking_writes_nothing(member: Membership) -> None:
    member.leave()
    before = kept()
    assert "fit" in groups().stdout
    assert "fit" in groups("fit").stdout
    assert groups("nobody").exit_code == 1
    assert kept() == before


def test_seek_and_revive_move_the_group_beside_members_with_rules_of_their_own(member: Membership) -> None:
    assert groups("fit", "--revive").stdout == f"{RUN}, fit: 1 dead letter to be handed out again\n"
    assert member.dead() == []
    assert member.claim(1).ids == [(3, 3)]
    assert json.loads(groups("fit", "--seek", "8", "--json").stdout) == {"address": str(RUN), "name": "fit", "seek": 8}
    assert member.unacknowledged() == [(3, 5), (9, 10)]
    assert groups("fit", "--seek", "0").stdout == f"{RUN}, fit: goes on from the start\n"
    assert member.unacknowledged() == [(1, 10)]
    assert [each.name for each in member.snapshot().members] == ["ann"]


def test_what_is_moved_keeps_its_rules_when_nobody_reads(store: DirectoryStore, member: Membership) -> None:
    member.leave()
    assert groups("fit", "--seek", "0").exit_code == 0
    report = store.group_report(RUN, "fit")
    assert report is not None
    assert (report.rules.attempts, report.rules.order, report.rules.gap_wait_ns) == (2, "id", 300_000_000)


def test_forget_removes_one(store: DirectoryStore, member: Membership) -> None:
    member.leave()
    store.group(RUN, "other").leave()
    refused = groups("fit", "--forget")
    assert (refused.exit_code, "add --yes" in refused.stderr) == (2, True)
    assert groups("fit", "--forget", "--yes").stdout == f"forgotten: {RUN}, fit, 0 members, lag 7\n"
    assert store.groups(RUN) == ["other"]
    assert json.loads(groups("other", "--forget", "--yes", "--json").stdout)["forgotten"] is True
    assert (groups().stdout, groups().stderr, groups().exit_code) == ("", "no groups\n", 0)
    assert json.loads(groups("--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fat",), 1, "fit"),
        (("nobody", "--seek", "1"), 1, "has no group 'nobody'"),
        (("--seek", "1"), 2, "write the name of the group"),
        (("fit", "--seek", "-1"), 2, "--seek"),
        (("fit", "--seek", "1", "--revive"), 2, "--seek and --revive"),
    ],
)
def test_what_is_wrong_is_said(member: Membership, words: tuple[str, ...], code: int, said: str) -> None:
    before = member.unacknowledged()
    result = groups(*words)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
    assert member.unacknowledged() == before


@pytest.mark.parametrize("words", [("c2026/eiger/nobody",), ("c2026/eiger/nobody", "fit")])
def test_a_stream_that_is_not_there_is_said_so(store: DirectoryStore, words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["streams", "groups", *words])
    assert (result.exit_code, "there is no stream" in result.stderr) == (1, True)
    assert list(store.groups(StreamAddress.parse(words[0]))) == []


def test_what_is_long_is_cut_with_a_count_of_the_rest() -> None:
    assert shown_ranges([(n, n + 1) for n in range(1, 100, 5)], 1) == "1–2 and 38 more ids"
    assert shown_ranges([(4, 4), (6, 6)], 1) == "4 and 1 more id"
    assert one_line("é\n\x1b[0m", 4) == "é  …"
    assert [shown_ago(s * 10**9) for s in (-1, 119, 120, 7199, 7200)] == [
        "0 s ago",
        "119 s ago",
        "2 min ago",
        "120 min ago",
        "2 h ago",
    ]
