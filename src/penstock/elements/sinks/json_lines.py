"""A file of JSON, one item a line."""

from typing import Any

import msgspec

from penstock.elements.plain_value import plain
from penstock.elements.text_output import ExistingText
from penstock.elements.text_sink import TextSink

__all__ = ["JsonLinesSink"]


class JsonLinesSink(TextSink):
    r"""Write each item as a line of JSON, which can be read while the file grows.

    Arrays are written as lists, dates and times in their ISO form, bytes in base64, dataclasses, messages and events as
    objects. A number that is none (NaN), or infinite, becomes ``null``, as JSON has no other word. What has no form in
    JSON, such as a complex number, is an error. The source ``json-lines`` reads the file.

    ::

        sinks:
          results: {use: json-lines, from: fit, path: "{run}.jsonl"}

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from penstock.elements import RunFacts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = JsonLinesSink()
    ...     sink.open(RunFacts(pipeline="p", run="r1", folder=folder))
    ...     sink.write({"peak": np.float32(0.5), "profile": np.arange(3)})
    ...     sink.close(True)
    ...     print(Path(sink.path).read_text(), end="")
    {"peak":0.5,"profile":[0,1,2]}

    Parameters
    ----------
    path, existing, flush_s
        As of the sink ``lines``.

    Raises
    ------
    ValueError
        If the time cannot be.
    """

    def __init__(self, path: str = "{run}.jsonl", existing: ExistingText = "next", flush_s: float = 0.0) -> None:
        super().__init__(path, existing, flush_s)
        self._encode = msgspec.json.Encoder().encode

    def _record(self, item: Any) -> bytes:
        return self._encode(plain(item)) + b"\n"
