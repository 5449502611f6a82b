"""The ledger as it is printed: whole at any width."""

import io
import re

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
