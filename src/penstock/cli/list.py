"""``penstock list``: every name that can be written in a pipeline file, with its one line."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from penstock.pipeline.registry import Known, Registry

__all__ = ["list_names"]


def list_names(
    kind: Annotated[str, typer.Argument(help="sources, steps, workers, sinks; all of them if left out.")] = "",
    folder: Annotated[Path, typer.Option(help="Where modules of your own are.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """List what a pipeline can be made of: built in, brought by packages, in this folder; what is planned is marked."""
    from penstock.core.suggest import did_you_mean
    from penstock.errors import CheckError, Problem
    from penstock.pipeline.folder_code import code_beside
    from penstock.pipeline.registry import KINDS, Registry

    if kind and kind not in KINDS:
        raise CheckError([Problem(where="", text=f'there is no kind "{kind}"', remedy=did_you_mean(kind, KINDS))])
    registry = Registry(folder)
    known = [_with_line(each, registry) for one in KINDS if kind in ("", one) for each in registry.known(one)]
    own = [] if kind else list(code_beside(folder))
    if as_json:
        code = [{"kind": "code", "name": name, "line": line, "origin": "folder"} for name, line in own]
        print(json.dumps([*(asdict(each) for each in known), *code], indent=2))
        return
    width = max((len(each.name) for each in known), default=0)
    for one in KINDS:
        names = [each for each in known if each.kind == one]
        if names:
            print(f"{one}:")
        for each in names:
            mark = " (not built yet)" if each.origin == "planned" else ""
            print(f"  {each.name:{width}}  {each.line}{mark}")
    if own:
        print("in this folder:" if folder == Path() else f"in {folder}:")
    wide = max((len(name) for name, _ in own), default=0)
    for name, line in own:
        print(f"  {name:{wide}}  {line}".rstrip())
    print("Code of your own is named module:object.")


def _with_line(known: "Known", registry: "Registry") -> "Known":
    """Return a name of an installed package with what its code says of itself, if that can be loaded."""
    from inspect import getdoc

    from penstock.errors import CheckError
    from penstock.pipeline.registry import KINDS

    if known.origin != "entry point":
        return known
    try:
        kind = next(one for one in KINDS if one == known.kind)
        line = (getdoc(registry.find(kind, known.name).target) or known.line).partition("\n")[0]
    except CheckError as error:
        line = f"cannot be loaded: {error}"
    return replace(known, line=line)
