"""Stores the batches of one stream in order, and says of each message what became of it. Used by one thread at a time.

What can be stored is, also where a neighbour cannot; whatever is there already is compared with what was sent.
"""

from collections.abc import Callable, Sequence

import numpy as np

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError, PenstockError, ResultTypeError, StreamError
from penstock.streams.batch_block import block_of, is_same
from penstock.streams.pipelined_writer import PipelinedWriter, Told
from penstock.streams.receipts import Batch, Outcome, OutcomeKind
from penstock.streams.store import Store, StreamReader, StreamWriter

__all__ = ["Lane", "Prepare", "Special", "failure"]

Special = dict[int, Outcome]
"""By row, what became of it if it was not stored, or there is something to say."""
Prepare = Callable[[Batch, Sequence[int]], Special]
"""What is done with rows that are new, before they are stored; what has failed there is not."""
DUPLICATE = Outcome(kind=OutcomeKind.DUPLICATE, reason="the same message was there already")


class Lane:
    """The way of a producer's messages into one stream.

    Parameters
    ----------
    store
        To read what is there already, when an id comes again.
    writer
        Of the stream; closed by ``close``.
    prepare
        What is done with messages before they are stored; ``None`` for nothing.
    """

    def __init__(
        self, store: Store, address: StreamAddress, writer: StreamWriter, prepare: Prepare | None = None
    ) -> None:
        self.address = address
        self.writer = writer
        self.last_id = writer.last_id
        """The largest id that is there or was sent; looked at and changed by whoever gives ids."""
        self.batch: Batch | None = None
        """What is gathered for it; looked at and changed by whoever gathers, and so is ``ended``."""
        self.ended = ""
        """How its stream was ended; empty if it was not."""
        self._store = store
        self._prepare = prepare
        self._reader: StreamReader | None = None
        self._written_id = self.last_id

    def send(self, batch: Batch, told: Told) -> bool:
        """Send a batch on its way, if its stream takes it without being waited for; return whether it does.

        Of what ``told`` says is wrong, ``failed`` makes outcomes. If this returns false, ``store`` it, after all that
        was sent before is answered.
        """
        writer = self.writer
        if not isinstance(writer, PipelinedWriter) or self._prepare is not None or not self._is_new(batch):
            return False
        try:
            block = block_of(batch)
            writer.append_soon(block, batch.encodings, told)
        except Exception:  # noqa: BLE001  # whatever it is, it is told of each message by who stores the batch
            return False
        # Also of what fails: some of it may be there nevertheless, and what comes again is compared.
        self._written_id = int(block.ids[-1])
        return True

    def failed(self, batch: Batch, error: PenstockError) -> Special:
        """Return what became of a batch that was sent and could not be written; what of it can be stored is."""
        special: Special = {}
        self._divide(batch, range(batch.count), error, special)
        return special

    def store(self, batch: Batch) -> Special:
        """Store a batch; return what was not stored, and why.

        Whatever happens, each row has exactly one outcome: stored, or what is returned.
        """
        special: Special = {}
        if self._is_new(batch):
            self._prepared(batch, None, special)
            return special
        ids = np.array(batch.ids, np.uint64)
        order = np.argsort(ids, kind="stable")
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = ids[order[1:]] != ids[order[:-1]]
        new = np.zeros(len(order), np.bool_)
        try:
            new[is_first] = ~self.writer.present(ids[order[is_first]])
        except Exception as error:  # noqa: BLE001  # every receipt must end, and with the reason
            return dict.fromkeys(range(batch.count), failure(error))
        if new.any():
            self._prepared(batch, order[new].tolist(), special)
        for row in order[~new].tolist():  # only now, so that those that came twice in the batch find the first stored
            special[row] = self._compared(batch, row)
        return special

    def close(self) -> None:
        """Let go of the stream, without ending it."""
        if self._reader is not None:
            self._reader.close()
        self.writer.close()

    def _prepared(self, batch: Batch, rows: Sequence[int] | None, special: Special) -> None:
        """Append rows after what is to be done with them before; none means all."""
        if self._prepare is not None:
            try:
                said = self._prepare(batch, range(batch.count) if rows is None else rows)
            except Exception as error:  # noqa: BLE001  # every receipt must end, and with the reason
                said = dict.fromkeys(range(batch.count) if rows is None else rows, failure(error))
            special.update(said)
            if not all(outcome.is_safe for outcome in said.values()):
                rows = range(batch.count) if rows is None else rows
                rows = [row for row in rows if row not in said or said[row].is_safe]
                if not rows:
                    return
        self._append(batch, rows, special)

    def _append(self, batch: Batch, rows: Sequence[int] | None, special: Special) -> None:
        """Append rows with new, ascending ids; none means all."""
        try:
            block = block_of(batch, rows)
            # Also if it fails: then some of it may be there nevertheless, and what comes again is compared.
            self._written_id = max(self._written_id, int(block.ids[-1]))
            self.writer.append(block, batch.encodings)
        except Exception as error:  # noqa: BLE001  # every receipt must end, and with the reason
            self._divide(batch, range(batch.count) if rows is None else rows, error, special)

    def _divide(self, batch: Batch, rows: Sequence[int], error: Exception, special: Special) -> None:
        """Append the halves of what was refused, if that may be for the sake of one message."""
        if len(rows) == 1 or not _may_be_one_message(error):
            special.update(dict.fromkeys(rows, failure(error)))
            return
        half = len(rows) // 2
        self._append(batch, rows[:half], special)
        self._append(batch, rows[half:], special)

    def _is_new(self, batch: Batch) -> bool:
        return batch.is_ascending and batch.ids[0] > self._written_id

    def _compared(self, batch: Batch, row: int) -> Outcome:
        """Return what becomes of a message whose id was there."""
        number = batch.ids[row]
        try:
            there = self._stored(number)
            if there is not None and is_same(batch, row, there):
                return DUPLICATE
        except IntegrityError as error:
            return self._conflict(number, f"it is damaged: {error}")
        except Exception as error:  # noqa: BLE001  # every receipt must end, and with the reason
            return failure(error)
        if there is not None:
            return self._conflict(number, "with other content")
        try:
            was_there = bool(self.writer.present(np.array([number], np.uint64))[0])
        except Exception as error:  # noqa: BLE001  # every receipt must end, and with the reason
            return failure(error)
        if was_there:
            return self._conflict(number, "but removed since: whether it was the same, nobody can tell")
        return failure(StreamError(f"{self.address}: message {number} was sent twice at once, and the first failed"))

    def _conflict(self, number: int, how: str) -> Outcome:
        text = f"{self.address} has message {number} already, {how}"
        return Outcome(kind=OutcomeKind.CONFLICT, reason=text, error=ConflictError(text))

    def _stored(self, number: int) -> Message | None:
        if self._reader is None:
            self._reader = self._store.read(self.address)
        return self._reader.message(number)


def failure(error: Exception) -> Outcome:
    """Return the outcome of what an error kept from being stored."""
    if isinstance(error, PenstockError):
        return Outcome(kind=OutcomeKind.FAILED, reason=str(error), error=error)
    known = StreamError(f"{type(error).__name__}: {error}")
    known.__cause__ = error
    return Outcome(kind=OutcomeKind.FAILED, reason=str(known), error=known)


def _may_be_one_message(error: Exception) -> bool:
    """Tell whether only some messages of a block may be at fault, not the stream or the disk."""
    return isinstance(error, ResultTypeError | TypeError | ValueError | OverflowError) or type(error) is StreamError
