"""The print sink prints items, and views leaf by leaf."""

import numpy as np
import pytest

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.print import PrintSink
from penstock.views import ArrayView


def test_items_and_views(capsys: pytest.CaptureFixture[str]) -> None:
    sink = PrintSink("> ")
    sink.open(RunFacts(pipeline="p", run="r"))
    sink.write(7)
    sink.write({"map": {"sum": ArrayView((2,), "i8", unit="counts")}, "n": 3, "a": np.zeros(1)})
    sink.close(True)
    assert capsys.readouterr().out.splitlines() == [
        "> 7",
        "> map/sum int64[2] counts: [0, 0]",
        "> n 3",
        "> a float64[1]: [0.]",
    ]
