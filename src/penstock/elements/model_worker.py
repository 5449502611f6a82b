"""A trained model as a worker: what it is fed, in which batches, and what comes of it. Who runs it, subclasses know.

It loads a model again when its file has changed, between two ranges of events, and trains nothing.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from pydantic import FilePath

from penstock.core.event import Event, EventBatch
from penstock.core.message import Message
from penstock.core.parameter import Section
from penstock.core.suggest import listed
from penstock.elements.item_field import field_of
from penstock.elements.model_input import ModelInput
from penstock.monitor.notice import notice

__all__ = ["File", "Model", "ModelWorker", "Offset", "Scale"]

_HERE: Final = Section("Model")
_Signature = tuple[int, int, int]

Fed = Annotated[
    str | Mapping[str, str],
    "what is fed: a stream of the events, whose array is meant, or any field; of a model with several inputs a mapping "
    "of theirs to fields; needless where there is one stream, or the item is the array",
]
Outputs = Annotated[Sequence[str] | None, "which of the model's outputs are returned; by default all"]
Batch = Annotated[int, Ge(1), "how many events go through the model at once, at most"]
Dtype = Annotated[str, "as which numbers events are fed, such as float32; by default as the model says"]
Shape = Annotated[
    Sequence[int] | None, "of one event's array as the model takes it, where the model does not say so itself"
]
File = Annotated[
    FilePath | None,
    _HERE,
    "the file of the model; where it is replaced while a run goes on, the new one is used from the next range of "
    "events on; one that cannot be loaded is told in a notice, and the one before goes on",
]
Scale = Annotated[float, _HERE, "numbers are fed as (number - offset) * scale"]
Offset = Annotated[float, _HERE, "what is subtracted from each number before that"]


class Model(ABC):
    """A model that is loaded."""

    inputs: tuple[ModelInput, ...]
    """In its order."""

    @abstractmethod
    def run(self, arrays: Sequence[NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the outputs by name, (n, …) each, of one array (n, …) for each input."""


class ModelWorker(ABC):
    """Feed arrays or numbers of events to a model, many events at once.

    What its arguments mean stands at their annotations, so that ``penstock describe`` says it of every kind of model.

    Raises
    ------
    ValueError
        If there is no model, or an argument is none.
    """

    def __init__(
        self,
        field: Fed = "",
        outputs: Outputs = None,
        batch: Batch = 32,
        dtype: Dtype = "",
        shape: Shape = None,
        *,
        model: File = None,
        scale: Scale = 1.0,
        offset: Offset = 0.0,
    ) -> None:
        self._field, self._outputs, self._batch, self._shape = field, outputs, batch, shape
        self._dtype = _dtype(dtype)
        self.model, self.scale, self.offset = model, scale, offset
        self._loaded: Model | None = None
        self._path = Path()
        self._signature: _Signature = (0, 0, 0)
        if model is None:
            raise ValueError("there is no model; write model: FILE")

    @abstractmethod
    def load(self, path: Path) -> Model:
        """Load a model.

        Raises
        ------
        ValueError
            If the file is no such model; the text says why.
        """

    def start(self, event: Any) -> None:  # noqa: ARG002 - what it says is of no use here
        """Load the model before the first event comes."""
        self._current()

    def process(self, item: Any) -> dict[str, Any] | None:
        """Return the model's outputs of one event, or of any other item.

        Raises
        ------
        ValueError
            If what is fed does not fit the model; the text names both.
        """
        return self._results([item])[0]

    def process_batch(self, events: EventBatch) -> list[dict[str, Any] | None]:
        """Return the model's outputs of many events."""
        return self._results(list(events.events()))

    def _results(self, items: Sequence[Any]) -> list[dict[str, Any] | None]:
        model = self._current()
        fields = self._fields(model)
        found: list[dict[str, Any] | None] = [None] * len(items)
        fed = [(row, [_fed(item, field) for field in fields]) for row, item in enumerate(items)]
        whole = [(row, arrays) for row, arrays in fed if all(array is not None for array in arrays)]
        size = model.inputs[0].batch or self._batch
        for at in range(0, len(whole), size):
            piece = whole[at : at + size]
            columns = [
                self._column(model.inputs[k], fields[k], [arrays[k] for _, arrays in piece], size)
                for k in range(len(fields))
            ]
            values = self._rows(model.run(columns), columns[0].shape[0], len(piece))
            for (row, _), value in zip(piece, values, strict=True):
                found[row] = value
        return found

    def _column(self, entry: ModelInput, field: str, arrays: Sequence[Any], size: int) -> NDArray[Any]:
        """Return what is fed of some events as one array, with as many rows as the model insists on."""
        name = Path(self.model).name if self.model is not None else ""
        column = entry.column(arrays, field or "the array", name)
        dtype = self._dtype or entry.dtype
        column = entry.converted(column, dtype, self.scale, self.offset, field or "the array")
        missing = size - len(column) if entry.batch else 0
        return np.concatenate([column, np.repeat(column[-1:], missing, axis=0)]) if missing else column

    def _rows(self, outputs: Mapping[str, NDArray[Any]], fed: int, n: int) -> list[dict[str, Any]]:
        names = list(outputs) if self._outputs is None else list(self._outputs)
        columns: list[Any] = []
        for name in names:
            if name not in outputs:
                raise ValueError(f'the model has no output "{name}"; it has {listed(outputs, "and")}')
            array = np.asarray(outputs[name])
            if array.ndim < 1 or len(array) != fed:
                text = f'output "{name}" has shape {list(array.shape)} for {fed} events'
                raise ValueError(f"{text}; its first axis must be the events")
            is_number = array.size == len(array)
            columns.append(array.reshape(-1).tolist()[:n] if is_number else list(array[:n]))
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _fields(self, model: Model) -> list[str]:
        """Return what is fed to each input."""
        names = [entry.name for entry in model.inputs]
        if isinstance(self._field, str):
            if len(names) != 1:
                remedy = f"write field: {{{', '.join(f'{name}: …' for name in names)}}}"
                raise ValueError(f"the model has {len(names)} inputs, {listed(names, 'and')}; {remedy}")
            return [self._field]
        if set(self._field) != set(names):
            text = f"field names the inputs {listed(self._field, 'and')}, and the model has {listed(names, 'and')}"
            raise ValueError(f"{text}; name each of them")
        return [self._field[name] for name in names]

    def _current(self) -> Model:
        """Return the model, loaded anew where its file has changed."""
        if self.model is None:
            raise ValueError("there is no model; set model to its file")
        path = Path(self.model)
        is_same = path == self._path and self._loaded is not None
        try:
            signature = _signature(path)
            if is_same and signature == self._signature and self._loaded is not None:
                return self._loaded
            self._signature = signature
            loaded = self._made(path)
        except (OSError, ValueError) as error:
            if not is_same or self._loaded is None:
                raise ValueError(f"model {path}: {error}") from error
            text = f"model {path.name} has changed and cannot be loaded; the one before goes on"
            notice(text, level="alarm", why=str(error))
            return self._loaded
        self._loaded, self._path = loaded, path
        return loaded

    def _made(self, path: Path) -> Model:
        loaded = self.load(path)
        if self._shape is not None:
            if len(loaded.inputs) != 1:
                raise ValueError(f"shape is for a model of one input, and this has {len(loaded.inputs)}")
            loaded.inputs = (loaded.inputs[0].of_shape(self._shape),)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        notice(f"model {path.name} is loaded", level="log", sha256=digest)
        return loaded


def _fed(item: Any, field: str) -> Any:
    """Return what is fed of an item; ``None`` where that part is absent."""
    if isinstance(item, Event):
        if not field and len(item.names) != 1:
            raise ValueError(f"events have {listed(item.names, 'and')}; write field: {item.names[0]}, or another")
        stream, _, rest = field.partition(".") if field else (item.names[0], "", "")
        part = item[stream]
        if part is None:
            return None
        if isinstance(part, tuple):
            raise ValueError(f"{stream} has {len(part)} messages in one event; a model is fed one")
        item, field = part, rest
    found = field_of(item, field) if field else item
    if isinstance(found, Message):
        found = found.array
        if found is None:
            raise ValueError(f"there is no array in {field or 'this message'}; name the field that is fed")
    return found


def _signature(path: Path) -> _Signature:
    said = path.stat()
    return said.st_mtime_ns, said.st_size, said.st_ino


def _dtype(name: str) -> np.dtype[Any] | None:
    try:
        found = np.dtype(name) if name else None
    except TypeError:
        raise ValueError(f"dtype is {name!r}; write float32, float64, uint8 or another of NumPy's") from None
    if found is not None and found.kind not in "biuf":
        raise ValueError(f"dtype is {name}; a model is fed numbers, such as float32")
    return found
