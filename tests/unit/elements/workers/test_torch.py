"""PyTorch models as workers: exported programs and TorchScript; only where PyTorch is installed."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core import Message
from penstock.elements.workers.torch import Torch

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(autouse=True)
def leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have PyTorch keep what it caches, a folder of the user's else, where the test's files are."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")


class Net(torch.nn.Module):  # type: ignore[misc,name-defined]  # it is there when the test runs
    """The sum of an image times a factor, beside its double."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return (x * self.factor).sum(dim=(1, 2, 3)), x * 2


def exported(path: Path, factor: float) -> Path:
    n = torch.export.Dim("n")
    example = (torch.zeros(2, 1, 2, 3),)
    program = torch.export.export(Net(factor).eval(), example, dynamic_shapes={"x": {0: n}})
    torch.export.save(program, path)
    return path


def scripted(path: Path, factor: float) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Net(factor).eval(), torch.zeros(1, 1, 2, 3)), path)
    return path


def images(n: int) -> list[Message]:
    return [Message(array=np.full((2, 3), k, np.uint16)) for k in range(n)]


@pytest.mark.parametrize("kind", [exported, scripted])
def test_each_item_has_its_outputs(kind: Any, tmp_path: Path) -> None:
    path = kind(tmp_path / ("net.pt2" if kind is exported else "net.pt"), 2.0)
    shape = None if kind is exported else (1, 2, 3)
    worker = Torch(outputs=["sum", "twice"], shape=shape, batch=2, model=path, offset=1.0)
    found = worker._results(images(3))
    assert [value and value["sum"] for value in found] == [-12.0, 0.0, 12.0]
    assert found[2] is not None
    assert found[2]["twice"].tolist() == [[[2.0] * 3] * 2]
    assert set(Torch(shape=shape, model=path).process(images(2)[1]) or ()) == {"output_1", "output_2"}
    wrong = r'the array has shape \[3, 2\], and input "x" of net\.pt2? takes \[1, 2, 3\] for each event'
    with pytest.raises(ValueError, match=wrong):
        worker.process(np.zeros((3, 2)))


def test_a_file_that_changes_is_loaded_anew(tmp_path: Path) -> None:
    path = exported(tmp_path / "net.pt2", 1.0)
    worker = Torch(outputs=["sum", "twice"], model=path)
    assert (worker.process(images(2)[1]) or {})["sum"] == 6.0
    exported(tmp_path / "new.pt2", -1.0).replace(path)
    assert (worker.process(images(2)[1]) or {})["sum"] == -6.0
    assert torch.get_num_threads() == 1


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    for name in ("a.pt", "a.pt2"):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(ValueError, match=rf"model .*{name}: it cannot be loaded as a PyTorch model"):
            Torch(model=tmp_path / name).process(images(1)[0])
