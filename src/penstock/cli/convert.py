"""``penstock convert``: a file of another system as a pipeline file."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["convert"]


def convert(
    file: Annotated[Path, typer.Argument(help="A SNAP file, of version 1 or 2, or a configuration of rta-dp.")],
    node: Annotated[
        str, typer.Option("--node", "-n", help="Which node or process; by default node, or the only one.")
    ] = "",
    use: Annotated[
        str, typer.Option("--use", help="Of a file of rta-dp: the class that it does not name.", metavar="MODULE:CLASS")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write here, and not to the terminal.", metavar="FILE")
    ] = None,
    snap_peers: Annotated[
        bool, typer.Option("--snap-peers", help="ZeroMQ sockets lead to SNAP's own nodes, which send pickles.")
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", help="A dataclass that their pickles may hold.", metavar="MODULE:CLASS"),
    ] = None,
) -> None:
    """Make a pipeline file of a node of SNAP, or a process of rta-dp. It means the same and names the same code.

    It names your modules as they are, so it belongs beside them. Variables of the environment stay variables where they
    are values of arguments; others are filled in. Exit code 2 if something could not be converted.
    """
    from penstock.errors import CheckError, Problem
    from penstock.pipeline.front_door import Asked, is_foreign, read_any, with_variables
    from penstock.pipeline.yaml_writer import write_yaml

    if not is_foreign(file):
        problem = Problem(
            where="", text=f"{file} is no file of another system", remedy="name one of SNAP, rta-dp or dranspose",
            file=str(file),
        )  # fmt: skip
        raise CheckError([problem])
    asked = Asked(node=node, use=use, own_peers=snap_peers, allow=tuple(allow or ()), keeps_variables=True)
    document, problems = read_any(file, os.environ, asked)
    for problem in problems:
        if problem.level != "error":
            typer.echo(f"{problem.level}: {problem}", err=True)
    if errors := [problem for problem in problems if problem.level == "error"]:
        raise CheckError(errors)
    text = f"# Converted from the node {document.name} of {file.name}.\n{with_variables(write_yaml(document.tree))}"
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = f"{out} cannot be written: {error.strerror}"
        raise CheckError([Problem(where="--out", text=reason, remedy="name a file in a folder that exists")]) from error
    print(f"{out} written", file=sys.stderr)
