"""The table of files: what is over of how many, and how far the present one is."""

from io import StringIO

from rich.console import Console

from penstock.monitor.files_table import files_table
from penstock.monitor.report import FilesReport


def test_bars_say_how_many_files_and_items_are_over() -> None:
    report = FilesReport(
        name="shots", waiting=1, reading=1, read=2, done=3, failed=1, items=1200, file="/data/x.dat", file_items=5,
        file_total=10,
    )  # fmt: skip
    unknown = FilesReport(name="others", reading=1, file="/data/y.dat", file_items=7)
    console = Console(width=80, file=StringIO(), record=True)
    console.print(files_table([report, unknown]))
    shots, present, _, other = (line.rstrip() for line in console.export_text().splitlines())
    assert shots.startswith("shots ")
    assert shots.endswith("4 of 8 files, 1 failed, 1,200 items")
    assert present.endswith("x.dat: 5 of 10 items")
    assert shots.count("━") == present.count("━") == 12
    assert other.strip() == "y.dat: 7 items"
