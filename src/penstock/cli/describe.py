"""``penstock describe``: what a name stands for, its arguments and what can be seen of its messages."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["describe"]


def describe(
    name: Annotated[str, typer.Argument(help="A name that `penstock list` shows, or module:object.")],
    folder: Annotated[Path, typer.Option(help="Where modules of your own are.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Say what something does and which arguments it takes."""
    from penstock.pipeline.describe import describe as described

    entries = described(name, folder)
    if as_json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for number, entry in enumerate(entries):
        if number:
            print()
        _print(entry)


def _print(entry: dict[str, Any]) -> None:
    print(f"{entry['name']} ({entry['kind']}){': not built yet' if entry['planned'] else ''}")
    if entry["doc"]:
        print(*(f"  {line}" if line else "" for line in entry["doc"].splitlines()), sep="\n")
    for title, key in (("Arguments", "arguments"), ("Parameters, which may change while running", "parameters")):
        if entry[key]:
            print(f"{title}:")
        for argument in entry[key]:
            default = f" = {argument['default']}" if argument["default"] else ""
            facts = ", ".join(filter(None, (argument["section"], argument["unit"], argument["limits"])))
            print(f"  {argument['name']}: {argument['type'] or 'any'}{default}{f'  [{facts}]' if facts else ''}")
            if argument["doc"]:
                print(f"      {argument['doc']}")
    if entry["traits"]:
        print("What it says of its messages:")
        for line in entry["traits"]:
            print(f"  {line}")
