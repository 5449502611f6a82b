"""Names of things, and what a Worker or Reducer is told of itself."""

from datetime import datetime
from typing import Annotated, Any, Final, NewType
from uuid import UUID, uuid4

from penstock.extra import extra

with extra("run"):
    from pydantic import AnyUrl, BaseModel, Field, UrlConstraints


__all__ = [
    "GENERIC_WORKER", "BuildGitMeta", "DistributedState", "EventNumber", "HashDigest", "IngesterName", "IngesterState",
    "MappingName", "ParameterName", "ReducerState", "StreamName", "VirtualConstraint", "VirtualWorker", "WorkParameter",
    "WorkerName", "WorkerState", "WorkerTag", "ZmqUrl",
]  # fmt: skip

ZmqUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["tcp"])]
StreamName = NewType("StreamName", str)
WorkerName = NewType("WorkerName", str)
WorkerTag = NewType("WorkerTag", str)
IngesterName = NewType("IngesterName", str)
VirtualConstraint = NewType("VirtualConstraint", int)
EventNumber = NewType("EventNumber", int)
ParameterName = NewType("ParameterName", str)
HashDigest = NewType("HashDigest", str)
MappingName = NewType("MappingName", str)

GENERIC_WORKER: Final = WorkerTag("generic")


class VirtualWorker(BaseModel):
    """One destination in a cell of a trigger map."""

    tags: set[WorkerTag] = {GENERIC_WORKER}
    """Those that a worker must have."""
    constraint: VirtualConstraint | None = None
    """Equal ones go to one worker; without any it goes to all."""


class WorkParameter(BaseModel):
    """A parameter as user code gets it."""

    name: str
    data: bytes
    value: int | str | bytes | float | bool | None = None
    """Of the type that was described; ``None`` if nobody has described it."""
    uuid: UUID = Field(default_factory=uuid4)

    def __repr_args__(self) -> Any:
        """Show long values by their ends."""
        return [(name, _short(value)) for name, value in super().__repr_args__()]


class BuildGitMeta(BaseModel):
    """Which commit the user code is of, as the file that ``BUILD_META_FILE`` names says."""

    commit_hash: HashDigest
    branch_name: str
    timestamp: datetime
    repository_url: str


class DistributedState(BaseModel):
    """What Workers and Reducers are told alike."""

    service_uuid: UUID = Field(default_factory=uuid4)
    mapping_uuid: UUID | None = None
    dranspose_version: str | None = None
    mapreduce_version: BuildGitMeta | None = None
    parameters_hash: HashDigest | None = None
    processed_events: int = 0
    event_rate: float = 0.0


class IngesterState(DistributedState):
    """One that brings streams."""

    name: IngesterName
    url: str = ""
    connected_workers: dict[UUID, Any] = {}
    streams: list[StreamName] = []


class WorkerState(DistributedState):
    """What a Worker is told of itself."""

    name: WorkerName
    ingesters: list[IngesterState] = []
    tags: set[WorkerTag] = {GENERIC_WORKER}


class ReducerState(DistributedState):
    """What a Reducer is told of itself."""

    name: str = "reducer"
    url: str = ""


def _short(value: Any) -> Any:
    is_long = isinstance(value, str | bytes) and len(value) > 100
    return f"{value[:50]!r} … {value[-50:]!r} ({len(value)} long)" if is_long else value
