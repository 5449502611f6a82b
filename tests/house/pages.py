"""Reads a page of the documentation: its code blocks, the files and commands in them, its links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Block", "Command", "Page"]

FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r":(?P<name>[\w-]+): *(?P<value>.*)\n")
PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    info: str
    """``python``, ``console``, ``{code-block} yaml``."""
    options: dict[str, str]
    body: str


@dataclass(slots=True)
class Command:
    """One line a reader types, and what is promised of its output."""

    line: str
    promised: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """One page."""

    path: Path

    @property
    def text(self) -> str:
        """What is written."""
        return self.path.read_text()

    def blocks(self) -> Iterator[Block]:
        """Yield all fenced blocks, in order."""
        for found in FENCE.finditer(self.text):
            body, options = found["body"], {}
            while found["info"].startswith("{") and (option := OPTION.match(body)):
                options[option["name"]] = option["value"]
                body = body[option.end() :]
            yield Block(found["info"].strip(), options, body.lstrip("\n") if options else body)

    def doctests(self) -> str:
        """Return all examples with a prompt, as one session."""
        return "\n".join(block.body for block in self.blocks() if block.info == "python" and ">>> " in block.body)

    def files(self) -> dict[str, str]:
        """Return the files that a reader writes, by name."""
        found = {}
        for block in self.blocks():
            if "caption" in block.options:
                shown = block.info.removeprefix("{literalinclude}").strip()
                is_shown = block.info.startswith("{literalinclude}")
                found[block.options["caption"]] = (self.path.parent / shown).read_text() if is_shown else block.body
        return found

    def steps(self) -> Iterator[Command | Block]:
        """Yield what a reader types, in order: commands, and blocks of what is asked at Python's prompt."""
        for block in self.blocks():
            if block.info == "console":
                yield from _commands(block)
            elif block.info == "python" and ">>> " in block.body:
                yield block

    def commands(self) -> Iterator[Command]:
        """Yield the commands, in order."""
        return (step for step in self.steps() if isinstance(step, Command))

    def links(self) -> Iterator[str]:
        """Yield what other pages and files are pointed at; not what lies on other machines."""
        prose = FENCE.sub("", self.text)
        for found in LINK.finditer(prose):
            if not re.match(r"[a-z]+:", found["target"]):
                yield found["target"]

    def pictures(self) -> dict[str, str]:
        """Return the pictures it shows, by path, with what is said of them to those who cannot see them."""
        return {found["target"]: found["text"] for found in PICTURE.finditer(FENCE.sub("", self.text))}

    def session(self) -> list[tuple[str, str]]:
        """Return the code a reader types into one session, in order, each with what is promised that it prints."""
        blocks = [block for block in self.blocks() if "caption" not in block.options]
        following = [*blocks[1:], Block("", {}, "")]
        return [
            (block.body, then.body if then.info == "text" else "")
            for block, then in zip(blocks, following, strict=True)
            if block.info == "python" and ">>> " not in block.body
        ]

    def needs(self) -> Path | None:
        """Return the folder whose files the reader is told to have."""
        return self._said("needs")

    def run_by(self) -> Path | None:
        """Return the test that runs this page, if that takes more than typing its commands."""
        return self._said("run by")

    def _said(self, what: str) -> Path | None:
        found = re.search(rf"^% {what}: (\S+)$", self.text, re.MULTILINE)
        return None if found is None else self.path.parent / found[1]


def _commands(block: Block) -> Iterator[Command]:
    command: Command | None = None
    for line in block.body.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command
            command = Command(line[2:])
        elif command is not None:
            command.promised.append(line)
    if command is not None:
        yield command
