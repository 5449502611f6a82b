"""``penstock list``: every name that can be written in a pipeline file, with its one line."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

__all__ = ["list_names"]


def list_names(
    kind: Annotated[str, typer.Argument(help="sources, steps, workers, sinks; all of them if left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """List what a pipeline can be made of; what is planned is marked."""
    from penstock.core.suggest import did_you_mean
    from penstock.errors import CheckError, Problem
    from penstock.pipeline.registry import KINDS, Registry

    if kind and kind not in KINDS:
        raise CheckError([Problem(where="", text=f'there is no kind "{kind}"', remedy=did_you_mean(kind, KINDS))])
    registry = Registry()
    known = [each for one in KINDS if kind in ("", one) for each in registry.known(one)]
    if as_json:
        print(json.dumps([asdict(each) for each in known], indent=2))
        return
    width = max((len(each.name) for each in known), default=0)
    for one in KINDS:
        names = [each for each in known if each.kind == one]
        if names:
            print(f"{one}:")
        for each in names:
            mark = " (not built yet)" if each.origin == "planned" else ""
            print(f"  {each.name:{width}}  {each.line}{mark}")
    print("Code of your own is named module:object.")
