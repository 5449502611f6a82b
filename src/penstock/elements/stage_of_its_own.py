"""A step that is a stage of its own, whatever stands around it: how it says so."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

__all__ = ["StageOfItsOwn"]


class StageOfItsOwn(ABC):
    """A step for which a stage of a pipeline has words: the plan has that stage in its place."""

    @classmethod
    @abstractmethod
    def entry(cls, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the stage that does the same, as a file has it but for ``from``.

        Parameters
        ----------
        arguments
            As written.

        Returns
        -------
        Mapping
            ``None`` if there is none for these, or they are wrong: then the step is made like any other.
        """
