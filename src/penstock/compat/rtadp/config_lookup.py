"""``ConfigurationManager``: the configuration as users' classes look things up in it."""

from pathlib import Path
from typing import Any

from penstock.compat.rtadp.block import Block
from penstock.compat.rtadp.reader import read_config_file

__all__ = ["ConfigurationManager", "get_custom_config", "get_pull_config"]


class ConfigurationManager:
    """One file.

    Parameters
    ----------
    file_path
        The file.

    Raises
    ------
    CheckError
        If it cannot be read, or is no list of blocks.
    """

    def __init__(self, file_path: str | Path) -> None:
        self._file = read_config_file(Path(file_path))

    def block(self, processorname: str) -> Block:
        """Return a process.

        Raises
        ------
        CheckError
            With every mistake in its block.
        """
        return self._file.read(processorname)

    def get_configuration(self, processorname: str) -> dict[str, Any] | None:
        """Return a block as it is written; ``None`` if there is none."""
        found = self._file.blocks.get(processorname)
        return None if found is None else dict(found[1])

    def get_workers_config(self, processorname: str) -> tuple[list[Any], ...]:
        """Return what the managers of a process have, as lists.

        They are result socket types, result flows, addresses for low and for high results, numbers of workers, names,
        and names of worker groups.
        """
        analyses = self._file.read(processorname).analyses if processorname in self._file.processes else ()
        return (
            [each.sockets for each in analyses],
            [each.flow for each in analyses],
            [each.low for each in analyses],
            [each.high for each in analyses],
            [each.workers for each in analyses],
            [each.name for each in analyses],
            [each.group for each in analyses],
        )


def get_custom_config(address: str) -> list[str] | None:
    """Return broker and topic of ``HOST:PORT:TOPIC``; ``None`` of anything else.

    >>> get_custom_config("broker:29092:events")
    ['broker:29092', 'events']
    """
    parts = address.split(":")
    return [f"{parts[0]}:{parts[1]}", parts[2]] if len(parts) == 3 else None


def get_pull_config(address: str) -> str:
    """Return where data that are pushed are taken: at the address that is written, and no other."""
    return address
