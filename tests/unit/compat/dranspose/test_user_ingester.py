"""A user's class of ingester as a source: what it yields, how it is made, and what is said of one that is wrong."""

import asyncio
from pathlib import Path

import pytest

from penstock.compat.dranspose.events import TYP
from penstock.compat.dranspose.ingesters import named_sources, software_problems, sources_of
from penstock.compat.dranspose.trigger_maps import scan_map, uniform, wrapped
from penstock.compat.dranspose.user_ingester import SoftwareRaw, UserIngester, is_ingester
from penstock.core.message import Message
from penstock.errors import CheckError, UserCodeError
from penstock.testing.decoder_tests import decoded

CODE = """
from dranspose.event import StreamData
from dranspose.ingester import Ingester, IngesterSettings, IsSoftwareTriggered


class CountingSettings(IngesterSettings):
    counts: int = 3


class CountingIngester(Ingester):
    def __init__(self, settings: CountingSettings) -> None:
        super().__init__(settings=settings)
        self.counts = settings.counts
        assert str(settings.upstream_url) == "tcp://127.0.0.1:5"
        assert self.state.name == f"{'_'.join(self.state.streams)}-ingester"

    async def run_source(self, stream):
        if stream == "soft":
            yield IsSoftwareTriggered()
        for k in range(self.counts):
            yield StreamData(typ="N", frames=[stream.encode(), str(k).encode()])

    async def stop_source(self, stream):
        print("stopped", stream)


class ShortIngester(Ingester):
    async def run_source(self, stream):
        yield StreamData(typ="N", frames=[b"1"])

    def software_trigger(self):
        yield {}


class NoIngester:
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / f"{tmp_path.name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def given(folder: Path, name: str, stream: str, software: dict[str, str] | None = None) -> list[Message]:
    source = UserIngester(f"{folder.name}:{name}", "tcp://127.0.0.1:5", stream, software)
    source.folder = str(folder)

    async def all_of_it() -> list[Message]:
        return [message async for message in source]

    return asyncio.run(all_of_it())


def test_it_is_made_with_its_settings_and_gives_what_it_yields(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = given(folder, "CountingIngester", "n")
    assert [[buffer.tobytes() for buffer in each.buffers] for each in messages] == [
        [b"n", b"0"], [b"n", b"1"], [b"n", b"2"],
    ]  # fmt: skip
    assert {each.metadata[TYP] for each in messages} == {"N"}
    assert capsys.readouterr().out == "stopped n\n"
    monkeypatch.setenv("COUNTS", "1")
    assert len(given(folder, "CountingIngester", "n")) == 1
    assert [is_ingester(f"{folder.name}:{name}") for name in ("CountingIngester", "NoIngester")] == [True, False]
    with pytest.raises(CheckError, match='has no "Nix"'):
        sources_of([f"n={folder.name}:Nix,tcp://127.0.0.1:5"])


@pytest.mark.parametrize(
    ("name", "software", "text"),
    [
        ("CountingIngester", {}, "reads soft by software; write --stream soft=software,STREAM"),
        ("ShortIngester", {"t": "inproc://t"}, "software_trigger gives no t"),
        ("CountingIngester", {"t": "inproc://t"}, "has no software_trigger"),
    ],
)
def test_what_is_wrong_with_one_is_said(folder: Path, name: str, software: dict[str, str], text: str) -> None:
    stream = "soft" if not software else "n"
    with pytest.raises(UserCodeError, match=text):
        given(folder, name, stream, software)


def test_streams_by_software_are_sources_of_their_own_and_stand_in_the_events_of_the_other(folder: Path) -> None:
    class_name = f"{folder.name}:CountingIngester"
    sources = sources_of([f"n={class_name},tcp://127.0.0.1:5", "soft=software,n", "xrd=stins,tcp://127.0.0.1:6"])
    assert list(sources) == ["n", "xrd", "soft"]
    address = sources["soft"].tree["use"].arguments["connect"]
    assert sources["n"].tree["use"].arguments["software"] == {"soft": address}
    alone = named_sources(sources, ["n", "xrd"])["n"].tree
    assert alone["use"].arguments["software"] == {}
    assert (sources["n"].tree["restarts"], alone.get("restarts")) == ({"most": 0}, None)

    def problems(cells: dict[str, object]) -> list[str]:
        document = wrapped({"main": cells}, ["main"])
        return [problem.where for problem in software_problems(sources, scan_map(document, [frozenset(["generic"])]))]

    both = uniform(["n", "soft"], 1)
    assert problems(both) == problems({"n": both["n"]}) == problems({**both, "soft": [[]]}) == []
    assert problems({**both, "soft": [None]}) == problems({"soft": both["soft"]}) == ["soft"]
    with pytest.raises(CheckError, match="no class of yours reads"):
        sources_of(["xrd=stins,tcp://127.0.0.1:6", "soft=software,xrd"])


def test_what_is_handed_over_has_its_number_and_anything_else_is_lost() -> None:
    messages, lost = decoded(SoftwareRaw(), [[b'{"typ": "JSON", "n": 7}', b"{}"], [b"{}"], []])
    assert [(each.key, each.metadata[TYP], each.buffers[0].tobytes()) for each in messages] == [(7, "JSON", b"{}")]
    assert len(lost) == 2
