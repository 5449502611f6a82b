"""The ingester that users subclass: it gives one ``StreamData`` for each frame of a stream.

What is around it, such as events and workers, is ours; it has no redis, and parameters do not reach it.
"""

import logging
import os
from collections.abc import AsyncGenerator
from typing import Any

from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.protocol import IngesterName, IngesterState, StreamName
from penstock.extra import extra

with extra("run"):
    import zmq.asyncio
    from pydantic import BaseModel, ConfigDict, model_validator

__all__ = ["Ingester", "IngesterSettings", "IsSoftwareTriggered"]


class IngesterSettings(BaseModel):
    """What an ingester is made with; what is not given is taken from the environment, in upper case."""

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    ingester_streams: list[StreamName] = []
    ingester_name: IngesterName = IngesterName("")
    """By default made of the streams."""
    ingester_url: Any = "tcp://localhost:10000"
    """Not used here."""
    dump_path: Any = None
    """Likewise; see the parameter ``dump_prefix``."""

    @model_validator(mode="before")
    @classmethod
    def fill(cls, given: Any) -> Any:
        """Take what is missing from the environment, and make a name."""
        if not isinstance(given, dict):
            return given
        missing = [name for name in cls.model_fields if name not in given and name.upper() in os.environ]
        filled = {**given, **{name: os.environ[name.upper()] for name in missing}}
        streams = filled.get("ingester_streams")
        if "ingester_name" not in filled and isinstance(streams, list):
            filled["ingester_name"] = f"{'_'.join(map(str, streams))}-ingester"
        return filled


class IsSoftwareTriggered(Exception):  # noqa: N818 - dranspose's name
    """Given instead of data by a stream whose values ``software_trigger`` reads."""


class Ingester:
    """Base of ingesters; a subclass says how a stream is read."""

    def __init__(self, settings: IngesterSettings | None = None) -> None:
        self._ingester_settings = IngesterSettings() if settings is None else settings
        streams = list(self._ingester_settings.ingester_streams)
        self.state = IngesterState(
            name=self._ingester_settings.ingester_name, url=str(self._ingester_settings.ingester_url), streams=streams
        )
        self.active_streams = streams
        self.parameters: dict[str, Any] = {}
        self._logger = logging.getLogger(f"dranspose.ingester+{self.state.name}")
        self.ctx: Any = None
        self.open_socket()

    def open_socket(self) -> None:
        """Make the context of sockets."""
        self.ctx = zmq.asyncio.Context()

    async def run_source(self, stream: StreamName) -> AsyncGenerator[StreamData | IsSoftwareTriggered, None]:
        """Give what comes of a stream, frame by frame; to be written by subclasses."""
        del stream
        yield StreamData(typ="", frames=[])

    async def stop_source(self, stream: StreamName) -> None:
        """Let go of a stream; subclasses close what they have opened."""

    async def close(self) -> None:
        """Let go of all sockets."""
        if self.ctx is not None:
            self.ctx.destroy(linger=0)
