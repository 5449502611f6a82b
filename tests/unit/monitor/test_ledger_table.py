"""The ledger as it is printed: whole at any width."""

import io
import re

import msgspec
import pytest
from rich.console import Console

from penstock.core.ledger import Account, Counter, Ledger
from penstock.monitor.ledger_table import ledger_table
from penstock.monitor.report import RunReport, edges_of


def report(ledger: Ledger) -> RunReport:
    return RunReport(
        pipeline="p", run="r", outcome="running", exit_code=0, reasons=[], started="", duration_s=1.0,
        edges=edges_of(ledger, 1.0), joins={}, latencies={}, outputs={}, dead_letters=[], failures=[],
    )  # fmt: skip


def printed(ledger: Ledger, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(ledger_table(report(ledger), width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def everything() -> Ledger:
    """One edge where everything happened that can happen."""
    ledger = Ledger()
    entry = ledger.entry("fluorescence", "scan")
    entry.arrive(123_456_789)
    for account in Account:
        entry.post(account, 1_000_001 + account)
    for counter in Counter:
        entry.note(counter, 2_000_001 + counter)
    return ledger


@pytest.mark.parametrize("width", [60, 80, 120, 300])
def test_no_number_is_cut_and_none_is_without_its_name(everything: Ledger, width: int) -> None:
    text = printed(everything, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = [account.label for account in Account] + [counter.name.lower() for counter in Counter]
    numbers = [1_000_001 + account for account in Account] + [2_000_001 + counter for counter in Counter]
    assert all(re.search(rf"(?<![\w-]){word}(?![\w-])", text) for word in words)
    assert all(f"{number:,}" in text for number in (*numbers, 123_456_789))


def test_a_column_an_account_where_there_is_room() -> None:
    ledger = Ledger()
    entry = ledger.entry("det", "scan")
    entry.arrive(5)
    entry.post(Account.JOINED, 3)
    assert [line.split() for line in printed(ledger, 80).splitlines() if line.split()][0::2] == [
        ["from", "to", "in", "joined", "in", "flight"],
        ["det", "scan", "5", "=", "3", "2"],
    ]


def test_a_sum_in_words_where_there_is_none(everything: Ledger) -> None:
    first = next(line for line in printed(everything, 80).splitlines() if line.strip().startswith("fluorescence"))
    assert first.split()[:6] == ["fluorescence", "scan", "123,456,789", "=", "1,000,001", "done"]


@pytest.mark.parametrize(("width", "shown"), [(80, " 1,235\n"), (40, " 1,235 per s\n")])
def test_while_a_run_goes_on_it_says_how_fast_everything_is_now(width: int, shown: str) -> None:
    ledger = Ledger()
    ledger.entry("detector", "scan").arrive(5000)
    (edge,) = edges_of(ledger, 1.0)
    going = msgspec.structs.replace(report(ledger), edges=[msgspec.structs.replace(edge, recent_per_s=1234.6)])
    console = Console(file=io.StringIO(), width=width)
    console.print(ledger_table(going, width))
    console.print(ledger_table(msgspec.structs.replace(going, outcome="finished"), width))
    assert isinstance(console.file, io.StringIO)
    text = re.sub(r" +\n", "\n", console.file.getvalue())
    assert text.count("1,235") == 1
    assert shown in text
