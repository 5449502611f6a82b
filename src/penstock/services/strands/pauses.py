"""The pauses of a strand, between two items: then it looks up, its books are kept, and its ticks are called."""

from penstock.services.strands.strand_books import StrandBooks
from penstock.services.strands.ticks import Ticks

__all__ = ["Pauses"]


class Pauses:
    """When a strand pauses, and what is done then.

    Parameters
    ----------
    books
        Of the strand.
    ticks
        Of its steps.
    keeps_often
        Whether the books are kept in every pause, and not only in those that somebody asks for.

    Attributes
    ----------
    asked
        Filled, from any thread, by whoever wants the strand to pause after its item.
    is_sample_due
        Whether the next item is timed: the first, and the one after each pause that was asked for.
    """

    def __init__(self, books: StrandBooks, ticks: Ticks, *, keeps_often: bool) -> None:
        self.asked: list[bool] = []
        self.is_sample_due = True
        self._books = books
        self._ticks = ticks
        self._keeps_often = keeps_often

    def ask(self) -> None:
        """Ask for one; from any thread."""
        self.asked.append(True)

    def end(self) -> None:
        """Call ticks that are due, and keep the books if that was asked for, or is due anyway.

        Raises
        ------
        UserCodeError
            If a tick raised.
        """
        self._ticks.tick()
        if self.asked:
            self.is_sample_due = True
            self.asked.clear()
        elif not self._keeps_often:
            return
        self._books.keep()

    def look_up(self) -> None:
        """Call ticks that are due, where nothing was worked on.

        Raises
        ------
        UserCodeError
            If one raised.
        """
        self._ticks.tick()
