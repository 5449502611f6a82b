"""What is committed of a stream in its folder: the records of its indexes as they grow, and the blocks they name.

Both the writer and each reader have one. It never writes. Where an index is missing or damaged, the segment itself is
looked through, so that reading needs nobody to rebuild first.
"""

import os
from pathlib import Path

import numpy as np

from penstock.streams.directory.file_names import index_name, segment_name, segment_numbers
from penstock.streams.directory.growing_index import GrowingIndex
from penstock.streams.directory.record_index import RecordIndex
from penstock.streams.directory.segment_view import Check, SegmentView
from penstock.streams.segment import RECORD
from penstock.streams.store import StoredBlock

__all__ = ["Committed", "GoneError"]

_MOST_VIEWS = 16
"""Segments that stay open and mapped at once."""


class GoneError(Exception):
    """Retention has removed a segment since it was looked for."""


class Committed:
    """The committed blocks of a stream, as of the last ``refresh``.

    Parameters
    ----------
    folder
        Of the stream; need not exist yet.
    stream
        What blocks call their stream.
    """

    def __init__(self, folder: Path, stream: str, check: Check = "first") -> None:
        self.folder = folder
        self.blocks = RecordIndex()
        self._stream = stream
        self._check = check
        self._views: dict[int, SegmentView] = {}
        self._folder_fd = -1
        # Names as texts: a path is put together in as much time as the kernel takes, and a group asks for each message.
        self._folder_name = os.fspath(folder)
        self._opened = 0, 0
        self._growing: GrowingIndex | None = None

    @property
    def last_segment(self) -> int:
        """The number of the newest segment; 0 for none."""
        return 0 if self._growing is None else self._growing.number

    @property
    def index_path(self) -> Path | None:
        """The file that grows."""
        return None if self._growing is None else self.folder / index_name(self._growing.number)

    def segment_path(self, number: int) -> Path:
        """Return the file of a segment."""
        return self.folder / segment_name(number)

    def refresh(self) -> None:
        """See what has been committed or removed."""
        if not self._is_same_folder():
            self._begin_anew()
        if self._folder_fd < 0:
            return
        if self._growing is None:
            numbers = segment_numbers(self.folder)
            if not numbers:
                return
            self._growing = GrowingIndex(self.folder, numbers[0])
        while True:
            following = self._following(self._growing.number)
            # Once more after the next one is there: its writer has finished with this one then.
            self.blocks.add(self._growing.more(self.blocks.end, is_full=following > 0), self._growing.number)
            if not following:
                break
            self._growing.close()
            self._growing = GrowingIndex(self.folder, following)
        self._drop_removed()

    def _following(self, number: int) -> int:
        """Return the number of the segment that follows one; 0 if there is none yet."""
        if self._has(index_name(number + 1)) or self._has(segment_name(number + 1)):
            return number + 1
        if self._has(segment_name(number)):
            return 0
        # Retention has removed it, and perhaps those that followed.
        return next((later for later in segment_numbers(self.folder) if later > number), 0)

    def _is_same_folder(self) -> bool:
        """Tell whether the folder is still the one that was opened: the stream may be deleted and made again."""
        try:
            now = os.stat(self._folder_name)  # noqa: PTH116
        except FileNotFoundError:
            return self._folder_fd < 0
        return self._folder_fd >= 0 and self._opened == (now.st_dev, now.st_ino)

    def _begin_anew(self) -> None:
        self.close()
        self.blocks = RecordIndex()
        try:
            self._folder_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._folder_fd = -1
            return
        opened = os.fstat(self._folder_fd)  # held open, so that no other folder gets its number
        self._opened = opened.st_dev, opened.st_ino

    def _drop_removed(self) -> None:
        if len(self.blocks) and not self._has(segment_name(self.blocks.segment(self.blocks.first))):
            self.drop_removed()

    def _has(self, name: str) -> bool:
        return os.path.exists(f"{self._folder_name}/{name}")  # noqa: PTH110

    def drop_removed(self) -> None:
        """Forget the segments that are no longer there."""
        numbers = segment_numbers(self.folder)
        first = numbers[0] if numbers else self.last_segment + 1
        self.blocks.drop(first)
        for number in [number for number in self._views if number < first]:
            self._views.pop(number).close()

    def add(self, header: bytes, number: int) -> None:
        """Take what this process itself has committed."""
        self.blocks.add(np.frombuffer(header, RECORD), number)

    def read(self, number: int) -> StoredBlock:
        """Return a block.

        Raises
        ------
        IntegrityError
            If its bytes are not what was written.
        GoneError
            If its segment is not there any more.
        """
        header = self.blocks.header(number)
        return self.view(self.blocks.segment(number)).read(header)

    def view(self, number: int) -> SegmentView:
        """Return a segment."""
        view = self._views.get(number)
        if view is None:
            try:
                view = SegmentView(self.folder / segment_name(number), self._stream, self._check)
            except FileNotFoundError as error:
                raise GoneError from error
            while len(self._views) >= _MOST_VIEWS:
                self._views.pop(next(iter(self._views))).close()
            self._views[number] = view
        return view

    def close(self) -> None:
        """Let go; arrays that somebody holds stay valid."""
        for view in self._views.values():
            view.close()
        self._views.clear()
        if self._growing is not None:
            self._growing.close()
            self._growing = None
        if self._folder_fd >= 0:
            os.close(self._folder_fd)
            self._folder_fd = -1
