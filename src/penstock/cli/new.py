"""``penstock new``: a small project that works, to be changed into one's own."""

import json
import re
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from penstock.errors import CheckError, Problem, SinkError

__all__ = ["new"]

FILES: Final = ("pipeline.yaml", "detector.py", "README.md", "analysis.py", "test_analysis.py")
"""What lies in ``new_project``. The modules are called so in every project, so its name need not be one of Python's."""
PLACE: Final = "new-project"
"""What the project is called there."""


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder to make; it names the project.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the files for machines.")] = False,
) -> None:
    """Make a small project that works: a pipeline, an analysis, a made-up camera and a test, to start from.

    A folder that is there already must be empty. If not all can be written, nothing is.
    """
    folder = Path(name)
    title = Path.cwd().name if name == "." else folder.name
    if not re.fullmatch(r"[^\W_][\w-]*", title):
        raise CheckError([_no_name(title or name)])
    template = files("penstock.cli") / "new_project"
    texts = {file: (template / file).read_text(encoding="utf-8").replace(PLACE, title) for file in FILES}
    _make(folder, texts)
    if as_json:
        print(json.dumps([str(folder / file) for file in texts], indent=2, ensure_ascii=False))
        return
    print(f"{folder} has {', '.join(texts)}. Next:")
    print(f"  cd {shlex.quote(str(folder))}")
    print("  penstock check pipeline.yaml && penstock run pipeline.yaml")
    print("  python -m pytest")


def _no_name(name: str) -> Problem:
    remedy = "use letters, digits, _ and -, beginning with a letter or digit, such as beam-test"
    return Problem(where="NAME", text=f"{name!r} cannot be the name of a project", remedy=remedy)


def _make(folder: Path, texts: Mapping[str, str]) -> None:
    """Write all files, or leave everything as it was.

    Raises
    ------
    CheckError
        If something is there already, or there is no folder to make it in.
    SinkError
        If it cannot be written.
    """
    try:
        _must_be_free(folder)
        with ExitStack() as undo:
            if not folder.exists():
                folder.mkdir()
                undo.callback(folder.rmdir)
            for name, text in texts.items():
                # "x": what somebody else has put there meanwhile is not ours to write over, or to remove.
                with (folder / name).open("x", encoding="utf-8") as file:
                    undo.callback((folder / name).unlink)
                    file.write(text)
            undo.pop_all()
    except OSError as error:
        remedy = "name a folder where you may write and there is room"
        raise SinkError(f"{folder} cannot be written: {error.strerror}; {remedy}") from error


def _must_be_free(folder: Path) -> None:
    if folder.is_dir():
        if not (first := min((path.name for path in folder.iterdir()), default="")):
            return
        text, remedy = f"{folder} is there already and has {first} in it", "give another name, or empty the folder"
    elif folder.exists() or folder.is_symlink():
        text, remedy = f"{folder} is there already and is no folder", "give another name"
    elif not folder.parent.is_dir():
        text, remedy = f"there is no folder {folder.parent} to make it in", f"make {folder.parent} first"
    else:
        return
    raise CheckError([Problem(where="NAME", text=text, remedy=remedy)])
