"""Users' Reducer classes, as reducers of a stage: see `penstock.compat.dranspose.lookup` for how they are named."""

from penstock.compat.dranspose.lookup import UserPlace as _UserPlace
from penstock.compat.dranspose.reducer_class import reducer_of as _reducer_of


def __getattr__(name: str) -> _UserPlace:
    if name.startswith(("_", "pytest")):  # no module of a user's, but what tools look for in any module
        raise AttributeError(name)
    return _UserPlace(name, _reducer_of)
