"""What a chain of any shape gives, as ranges of results: under the numbers of its items, or numbered anew."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from penstock.core.result_range import ResultRange
from penstock.services.fed import Fed, Row

__all__ = ["Numbered", "given_rows", "in_rows"]


class Numbered:
    """Number what comes out anew, because it is not one for one of what went in.

    Parameters
    ----------
    stage
        Whose results they are.
    first
        Number of the first.
    """

    def __init__(self, stage: str, first: int = 1) -> None:
        self._stage = stage
        self.next_number = first
        """Of what comes next."""

    def ranges(self, rows: Sequence[Row]) -> list[ResultRange]:
        """Return a range for each run of rows that belong to what was fed together."""
        found = []
        for fed, values in _runs(rows):
            first, self.next_number = self.next_number, self.next_number + len(values)
            numbers = np.arange(first, self.next_number, dtype=np.int64)
            found.append(
                ResultRange(
                    stage=self._stage, numbers=numbers, values=values, revision=fed.revision, lane=fed.lane,
                    origins=fed.origins,
                )
            )  # fmt: skip
        return found


def in_rows(stage: str, rows: Sequence[Row]) -> list[ResultRange]:
    """Return ranges under the numbers of the items; at most one row came of each."""
    found = []
    for fed, own in groupby(rows, lambda row: row[0]):
        pairs = [(fed.numbers[row], value) for _, row, value in own]
        found.append(
            ResultRange(
                stage=stage, numbers=np.array([number for number, _ in pairs], np.int64),
                values=[value for _, value in pairs], revision=fed.revision, lane=fed.lane, origins=fed.origins,
            )
        )  # fmt: skip
    return found


def given_rows(rows: Sequence[Row], fed: Fed) -> list[int]:
    """Return of which rows of what was fed something has come out."""
    return [row for each, row, _ in rows if each is fed]


def _runs(rows: Sequence[Row]) -> Iterator[tuple[Fed, list[object]]]:
    for fed, own in groupby(rows, lambda row: row[0]):
        yield fed, [value for _, _, value in own]
