"""The web process's questions: answered, late, refused, or left without an answer by the end of the run."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from penstock.errors import ServiceError, StateError
from penstock.transport.seqpacket import LIMIT, Link
from penstock.web import supervisor_line
from penstock.web.supervisor_line import LateAnswerError, SupervisorLine, UnknownError
from penstock.wire.web import Answer, Pieces, Question, open_question, pieces


class Supervisor:
    """The other end, which answers when it is told to."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.pieces = Pieces()

    async def question(self) -> Question:
        while (received := self.link.try_receive()) is None:
            await asyncio.sleep(0.001)
        data = self.pieces.take(received.data)
        assert data is not None
        return open_question(data)

    def answer(self, number: int, body: Any, problem: str = "") -> None:
        for piece in pieces(Answer(number, problem, msgspec.Raw(msgspec.json.encode(body))), LIMIT):
            self.link.send(piece)


def tried(test: Callable[[SupervisorLine, Supervisor], Coroutine[Any, Any, None]]) -> None:
    mine, its = Link.pair()

    async def go() -> None:
        line = SupervisorLine(mine)
        line.listen()
        await asyncio.wait_for(test(line, Supervisor(its)), 20)
        asyncio.get_running_loop().remove_reader(mine.fileno())

    with mine, its:
        asyncio.run(go())


def test_every_answer_comes_to_who_asked() -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        asking = [asyncio.create_task(line.ask("set", {"values": {"n": n}})) for n in range(5)]
        questions = [await supervisor.question() for _ in asking]
        for question in reversed(questions):
            supervisor.answer(question.number, msgspec.json.decode(question.body)["values"]["n"])
        assert await asyncio.gather(*asking) == list(range(5))

    tried(test)


def test_an_answer_longer_than_a_message_is_whole() -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        asking = asyncio.create_task(line.ask("status"))
        number = (await supervisor.question()).number
        await asyncio.to_thread(supervisor.answer, number, "x" * 1_000_000)
        assert len(await asking) == 1_000_000

    tried(test)


@pytest.mark.parametrize(
    ("problem", "error"), [("ended", StateError), ("unknown", UnknownError), ("refused", ServiceError)]
)
def test_what_is_refused_is_an_exception(problem: str, error: type[Exception]) -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        asking = asyncio.create_task(line.ask("set"))
        supervisor.answer((await supervisor.question()).number, "why", problem)
        with pytest.raises(error, match="why"):
            await asking

    tried(test)


def test_who_gets_no_answer_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_line, "PATIENCE_S", 0.05)

    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        with pytest.raises(LateAnswerError, match="has not answered"):
            await line.ask("status")
        supervisor.answer((await supervisor.question()).number, "too late")
        supervisor.answer(77, "to nobody")
        monkeypatch.setattr(supervisor_line, "PATIENCE_S", 10.0)
        asking = asyncio.create_task(line.ask("status"))
        supervisor.answer((await supervisor.question()).number, "in time")
        assert await asking == "in time"

    tried(test)


def test_the_end_answers_whoever_still_waits() -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        setting, report = asyncio.create_task(line.ask("set")), asyncio.create_task(line.report())
        await supervisor.question()
        supervisor.answer(0, {"outcome": "finished"}, "ended")
        assert (await report)["outcome"] == "finished"
        with pytest.raises(StateError, match="has ended"):
            await setting
        with pytest.raises(StateError, match="has ended"):
            await line.ask("set")

    tried(test)


def test_however_many_want_the_report_the_run_is_asked_once() -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        wanting = [asyncio.create_task(line.report()) for _ in range(100)]
        supervisor.answer((await supervisor.question()).number, "report")
        assert await asyncio.gather(*wanting) == ["report"] * 100
        assert supervisor.link.try_receive() is None

    tried(test)


def test_the_death_of_the_supervisor_is_noticed() -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        supervisor.link.close()
        await line.gone.wait()

    tried(test)


def test_whoever_waits_for_a_supervisor_that_goes_is_told_so_at_once() -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        asking = asyncio.create_task(line.ask("status"))
        await supervisor.question()
        supervisor.link.close()
        with pytest.raises(StateError, match="is gone"):
            await asking
        assert line.gone.is_set()

    tried(test)


def test_the_supervisor_hears_that_an_answer_was_brought() -> None:
    async def test(line: SupervisorLine, supervisor: Supervisor) -> None:
        asking = asyncio.create_task(line.ask_numbered("start", {}))
        question = await supervisor.question()
        supervisor.answer(question.number, {"starting": True})
        assert await asking == (question.number, {"starting": True})
        await line.told(question.number)
        said = await supervisor.question()
        assert (said.number, said.what) == (question.number, "told")
        supervisor.link.close()
        await line.told(question.number)  # nobody hears it

    tried(test)
