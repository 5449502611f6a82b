"""Import user code that a pipeline names as ``module:object``, from beside its file or from what is installed.

A mistake in the user's file is reported with its file and line; it never ends the process.
"""

import importlib
import sys
import traceback
from importlib.machinery import PathFinder
from inspect import isabstract
from pathlib import Path
from types import TracebackType
from typing import Any

from penstock.core.suggest import did_you_mean
from penstock.errors import CheckError, Problem

__all__ = ["find_class", "find_object", "users_line"]

_taken_from: dict[str, Path] = {}
"""Folder by top-level module that a pipeline brought in: the next pipeline may have another of that name."""


def find_object(name: str, folder: Path) -> Any:  # Any: whatever users name
    """Return the object that ``module:object`` stands for.

    Parameters
    ----------
    name
        The object may have dots; the module is looked for in ``folder`` first.
    folder
        Where the pipeline's file lies, or a command is typed. It stays on ``sys.path``, as if a script had been
        started there.

    Raises
    ------
    CheckError
        With one problem, whose ``file`` and ``line`` are in the user's file if the mistake is there.
    """
    module_name, _, path = name.partition(":")
    if not path or not all(part.isidentifier() for part in (*module_name.split("."), *path.split("."))):
        raise _problem(
            name, f'"{name}" is not of the form module:object', "write the module's name, a colon and the name in it"
        )
    module = _module(module_name, folder.resolve())
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            own = [word for word in vars(module) if not word.startswith("_")]
            raise _problem(
                name, f'{module_name} has no "{path}"', did_you_mean(path, own, otherwise=f"define it in {module_name}")
            )
        found = getattr(found, part)
    return found


def find_class(name: str, folder: Path, base: type, face: str) -> type[Any]:  # one of the base's
    """Return the class that ``module:class`` stands for, if it is one of a kind and whole.

    Parameters
    ----------
    name, folder
        As of `find_object`.
    base
        Its kind.
    face
        Where the kind is found by those who subclass it, such as ``penstock.elements``.

    Raises
    ------
    CheckError
        With one problem.
    """
    found = find_object(name, folder)
    if not (isinstance(found, type) and issubclass(found, base)):
        what = found.__name__ if isinstance(found, type) else f"a {type(found).__name__}"
        raise _problem(name, f"{what} is no {base.__name__}", f"subclass {face}.{base.__name__}")
    if isabstract(found):
        methods = ", ".join(sorted(vars(found)["__abstractmethods__"]))
        raise _problem(name, f"{found.__name__} is abstract", f"write the methods {methods}")
    return found


def users_line(trace: TracebackType | None) -> tuple[str, int]:
    """Return file and line of the last call that is neither ours nor that of an import or a `with`; empty if none."""
    file, line = "", 0
    for frame, number in traceback.walk_tb(trace):
        name, package = frame.f_code.co_filename, frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in ("penstock", "importlib", "contextlib") and not name.startswith("<frozen "):
            file, line = name, number
    return file, line


def _module(name: str, folder: Path) -> Any:
    _make_importable(name.partition(".")[0], folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            files = [path.stem for path in folder.glob("*.py")]
            remedy = did_you_mean(name, files, otherwise=f"write {name}.py there, or install it")
            raise _problem(name, f'there is no module "{name}" in {folder} or installed', remedy) from error
        raise _inside(name, error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit of a script without a main guard
        raise _inside(name, error) from error


def _make_importable(top: str, folder: Path) -> None:
    text = str(folder)
    if text in sys.path:
        sys.path.remove(text)
    sys.path.insert(0, text)
    importlib.invalidate_caches()
    here = PathFinder.find_spec(top, [text])
    if here is None or top in sys.stdlib_module_names:
        return
    if _taken_from.get(top, folder) != folder:
        for loaded in [each for each in sys.modules if each == top or each.startswith(f"{top}.")]:
            del sys.modules[loaded]
    _taken_from[top] = folder


def _inside(name: str, error: BaseException) -> CheckError:
    """Say what a user's module raised, and where in the user's file."""
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno or 0
    else:
        file, line = users_line(error.__traceback__)
    last = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    at = f" ({Path(file).name}, line {line})" if file else ""
    return _problem(
        name, f"importing {name.partition(':')[0]} failed{at}: {last}", f"mend line {line} of {file}" if file else ""
    )


def _problem(where: str, text: str, remedy: str) -> CheckError:
    return CheckError([Problem(where=where, text=text, remedy=remedy)])
