"""Imports of libraries that not every installation has: who lacks one is told which installation has it.

It looks for nothing and imports nothing itself, so it costs nothing where everything is there.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.errors import MissingExtraError

__all__ = ["extra"]


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import, within it, libraries that come with an extra of penstock.

    Raises
    ------
    MissingExtraError
        If one is not installed.

    Examples
    --------
    >>> with extra("run"):
    ...     import no_such_library
    Traceback (most recent call last):
    ...
    penstock.errors.MissingExtraError: no_such_library is not installed; pip install "penstock[run]" brings it
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", "penstock"):  # a mistake of ours
            raise
        raise MissingExtraError(
            f'{library} is not installed; pip install "penstock[{name}]" brings it', name=library
        ) from error
