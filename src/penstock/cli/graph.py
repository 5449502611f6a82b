"""``penstock graph``: a pipeline as a drawing."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["graph"]


def graph(
    file: Annotated[Path, typer.Argument(help="The pipeline file.")],
    node: Annotated[
        str, typer.Option("--node", "-n", help="Of a file of SNAP or rta-dp: which node, or which process.")
    ] = "",
    use: Annotated[
        str, typer.Option("--use", help="Of a file of rta-dp: the class that it does not name.", metavar="MODULE:CLASS")
    ] = "",
    svg: Annotated[Path | None, typer.Option("--svg", help="Write an SVG file instead of text.")] = None,
) -> None:
    """Draw a pipeline: who reads from whom, and what each room is."""
    from penstock.errors import SinkError
    from penstock.pipeline.check import load_plan
    from penstock.pipeline.front_door import Asked
    from penstock.pipeline.graph import draw_text
    from penstock.pipeline.graph_svg import draw_svg

    plan = load_plan(file, asked=Asked(node=node, use=use))
    if svg is None:
        print(draw_text(plan), end="")
        return
    try:
        svg.write_text(draw_svg(plan), encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{svg} cannot be written: {error.strerror}; name a file in a folder that exists") from error
    print(f"{svg} written")
