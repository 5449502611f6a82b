"""Long work shows a bar in a terminal and nothing elsewhere; sizes keep three digits."""

import os
import pty
import sys
from pathlib import Path

import pytest

from penstock.cli.streams.progress import progress_bar
from penstock.cli.streams.shown import shown_size


@pytest.mark.parametrize(
    ("nbytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**18, "5e+03 PB"),
    ],
)
def test_sizes(nbytes: int, shown: str) -> None:
    assert shown_size(nbytes) == shown


@pytest.mark.parametrize(("hidden", "is_shown"), [(False, True), (True, False)])
def test_a_bar_is_shown_in_a_terminal_unless_hidden(
    hidden: bool, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_bar("copying", 3, hidden=hidden) as progress:
            progress(2)
        terminal.write("end")
        terminal.flush()
        seen = b""
        while b"end" not in seen:
            seen += os.read(reader, 4096)
    os.close(reader)
    assert (b"copying" in seen) == is_shown
    assert (b"2/3" in seen) == is_shown


def test_nothing_is_written_where_there_is_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "err").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        with progress_bar("copying", 3, hidden=False) as progress:
            progress(3)
    assert (tmp_path / "err").read_text() == ""
