"""Where views are to be served, as people write it."""

import pytest

from penstock.errors import ServiceError
from penstock.pipeline.serve_address import host_and_port
from tests.unit.pipeline.conftest import Check

TEXT = """\
sources: {{cam: {{use: stins, connect: "tcp://127.0.0.1:5555"}}}}
serve: {{http: {}}}
"""


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (8400, ("127.0.0.1", 8400)),
        (0, ("127.0.0.1", 0)),
        ("8401", ("127.0.0.1", 8401)),
        ("0.0.0.0", ("0.0.0.0", 8400)),
        ("beamline:80", ("beamline", 80)),
        ("[::1]:8402", ("::1", 8402)),
        ("[::1]", ("::1", 8400)),
    ],
)
def test_port_host_or_both(written: int | str, found: tuple[str, int]) -> None:
    assert host_and_port(written) == found


@pytest.mark.parametrize("written", ["", ":8400", "host:port", "host:99999", -1, 70_000, "host:"])
def test_anything_else_is_refused(written: int | str) -> None:
    with pytest.raises(ServiceError, match="is no address; write PORT, HOST or HOST:PORT"):
        host_and_port(written)


def test_check_names_the_line(checked: Check) -> None:
    (error,) = checked(TEXT.format("nowhere:really")).of_level("error")
    assert (error.where, error.line) == ("serve.http", 2)
    assert '"nowhere:really" is no address' in error.text
    assert "such as 127.0.0.1:8400" in error.remedy
    found = checked(TEXT.format("0.0.0.0:8400"))
    assert not found.of_level("error")
    assert found.plan is not None
    assert found.plan.serve == "0.0.0.0:8400"
