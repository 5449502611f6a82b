"""What unit tests share."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def imports_end_here() -> Iterator[None]:
    """Forget modules that a test has written and imported."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith(("penstock", "h5py", "matplotlib", "numpy", "pydantic", "zmq")):
            file = getattr(sys.modules[name], "__file__", None) or ""
            if "site-packages" not in file and "/lib/python" not in file:
                del sys.modules[name]
