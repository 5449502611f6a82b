"""What ``penstock streams tail`` does once its command line is read."""

import select
import sys

from penstock.cli.streams.shown import message_line, message_tree, printed_json, stored_messages
from penstock.errors import IntegrityError
from penstock.services.interrupt import Interrupt
from penstock.streams.store import StreamReader, StreamState

__all__ = ["Tail"]


class Tail:
    """Prints the messages of a stream from a position on, one a line."""

    def __init__(self, reader: StreamReader, interrupt: Interrupt, *, as_json: bool) -> None:
        self._reader = reader
        self._interrupt = interrupt
        self._as_json = as_json
        self._position = 0
        self._has_told_stalled = False
        self.is_incomplete = False
        """Whether something was damaged, or the stream was aborted."""

    def print_last(self, count: int) -> None:
        """Print the last messages there are."""
        info = self._reader.info
        arrived = info.count + info.removed
        self._position = max(arrived - count, info.removed)
        self._print_up_to(arrived)
        if info.state == StreamState.ABORTED:
            self._note(f"{info.address} is aborted: {info.reason}")
            self.is_incomplete = True

    def follow(self) -> None:
        """Print what comes until the stream ends or somebody asks for an end."""
        descriptor = self._reader.fileno()
        while not self._interrupt.is_asked:
            self._reader.wait(self._position, 0)  # quiet from here on: what changes while we print wakes us again
            info = self._reader.info
            self._print_up_to(info.count + info.removed)
            if info.state in (StreamState.FINISHED, StreamState.ABORTED):
                self._tell_end()
                return
            if info.state == StreamState.STALLED and not self._has_told_stalled:
                self._note(f"{info.address} is stalled: nobody writes it; waiting for somebody who does")
            self._has_told_stalled = info.state == StreamState.STALLED
            select.select([descriptor, self._interrupt.pollable], [], [])

    def _print_up_to(self, arrived: int) -> None:
        while self._position < arrived and not self._interrupt.is_asked:
            try:
                self._print_blocks()
                break
            except IntegrityError as error:
                self._note(str(error))
                self.is_incomplete = True
                self._position = error.after or arrived
        if not self._interrupt.is_asked:
            self._position = max(self._position, arrived)

    def _print_blocks(self) -> None:
        for stored in self._reader.blocks(self._position):
            if stored.position > self._position:
                self._note(f"{stored.position - self._position:,} messages were removed before they could be read")
            self._position = stored.position
            for message, encodings in stored_messages(stored):
                if self._interrupt.is_asked:
                    return
                is_json = self._as_json
                print(printed_json(message_tree(message, encodings)) if is_json else message_line(message, encodings))
                self._position += 1
            sys.stdout.flush()

    def _tell_end(self) -> None:
        info = self._reader.info
        if info.state == StreamState.ABORTED:
            if not self.is_incomplete:
                self._note(f"{info.address} is aborted: {info.reason}")
            self.is_incomplete = True
        else:
            self._note(f"{info.address} is finished" + (f"; next is {info.next_stream}" if info.next_stream else ""))

    @staticmethod
    def _note(text: str) -> None:
        sys.stdout.flush()  # in order, where both go to one terminal
        print(f"penstock: {text}", file=sys.stderr, flush=True)
