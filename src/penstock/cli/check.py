"""``penstock check``: every mistake of a pipeline file, and what is known of it before it runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.errors import Problem
    from penstock.pipeline.check import Checked
    from penstock.pipeline.plan import Plan

__all__ = ["check"]


def check(
    file: Annotated[Path, typer.Argument(help="The pipeline file.")],
    node: Annotated[
        str, typer.Option("--node", "-n", help="Of a file of SNAP or rta-dp: which node, or which process.")
    ] = "",
    use: Annotated[
        str, typer.Option("--use", help="Of a file of rta-dp: the class that it does not name.", metavar="MODULE:CLASS")
    ] = "",
    explain: Annotated[bool, typer.Option("--explain", help="Print the file with every default filled in.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print for machines.")] = False,
) -> None:
    """Report every mistake of a pipeline file at once, with its line and what would be right.

    Exit code 0 if it can be run or only waits for something that is not built yet, 2 if it is wrong.
    """
    from penstock.errors import CheckError
    from penstock.pipeline.check import check_file
    from penstock.pipeline.explain import explain as explained
    from penstock.pipeline.front_door import Asked

    try:
        checked = check_file(file, asked=Asked(node=node, use=use))
        problems = checked.problems
    except CheckError as error:
        checked, problems = None, error.problems
    is_right = checked is not None and checked.plan is not None
    if as_json:
        print(json.dumps(_tree(file, problems, checked), indent=2, ensure_ascii=False))
    elif explain and checked is not None and checked.plan is not None:
        _problems(problems, to_stderr=True)
        print(explained(checked.spec, checked.plan), end="")
    else:
        _problems(problems)
        _report(file, problems, checked)
    raise typer.Exit(0 if is_right else 2)


def _problems(problems: "tuple[Problem, ...]", *, to_stderr: bool = False) -> None:
    label = {"error": "error", "warning": "warning", "planned": "not built yet"}
    for problem in problems:
        typer.echo(f"{label[problem.level]}: {problem}", err=to_stderr)


def _report(file: Path, problems: "tuple[Problem, ...]", checked: "Checked | None") -> None:
    if checked is not None and checked.plan is not None:
        from penstock.pipeline.chains import chains_trouble
        from penstock.pipeline.receives import receives

        if problems:
            print()
        for remark in checked.remarks:
            print(remark)
        for name, what in receives(checked.plan).items():
            print(f"{name} receives {what}")
        if chains_trouble(checked.plan):
            _print_memory(checked.plan)
        else:
            _print_fused(checked.plan)
    print(f"{file}: {_sum(problems)}")


def _print_fused(plan: "Plan") -> None:
    from penstock.pipeline.chains import CAPACITY, fused

    together = ", ".join(" → ".join(names) for names in fused(plan))
    print(f"in one process, with up to {CAPACITY} items between: {together}")


def _print_memory(plan: "Plan") -> None:
    from penstock.pipeline.memory import kept_bytes, memory_plan

    memory = memory_plan(plan)
    for pool in memory.pools:
        pools = f"{pool.pools} × " if pool.pools > 1 else ""
        what = " for large results" if pool.role == "stage" else ""
        larger = f", {pool.larger_slots} for larger frames" if pool.larger_slots != pool.slots else ""
        print(f"{pool.owner} has {pools}{pool.slots} slots of {_mb(pool.slot_bytes)}{larger}{what}")
    for stage, nbytes in kept_bytes(plan).items():
        print(f"{stage} keeps events in at most {_mb(nbytes)}, beside that")
    print(f"in processes, {_mb(memory.nbytes)} of shared memory, more when a frame is larger than a slot")


def _mb(nbytes: int) -> str:
    return f"{nbytes / 2**20:.4g} MB"


def _sum(problems: "tuple[Problem, ...]") -> str:
    counts = {level: sum(problem.level == level for problem in problems) for level in ("error", "warning", "planned")}
    if not any(counts.values()):
        return "nothing is wrong"
    parts = [
        f"{counts['error']} {'error' if counts['error'] == 1 else 'errors'}" if counts["error"] else "no error",
        f"{counts['warning']} {'warning' if counts['warning'] == 1 else 'warnings'}" if counts["warning"] else "",
        f"{counts['planned']} not built yet" if counts["planned"] else "",
    ]
    return ", ".join(filter(None, parts))


def _tree(file: Path, problems: "tuple[Problem, ...]", checked: "Checked | None") -> dict[str, Any]:
    from dataclasses import asdict

    from penstock.pipeline.receives import receives

    plan = checked.plan if checked is not None else None
    return {
        "file": str(file),
        "ok": plan is not None,
        "can_run": plan is not None and not plan.planned,
        "problems": [asdict(problem) for problem in problems],
        "remarks": {remark.name: remark.text for remark in checked.remarks} if checked is not None else {},
        "receives": dict(receives(plan)) if plan is not None else {},
        "memory": _memory_tree(plan) if plan is not None else {},
        "fused": _fused_tree(plan) if plan is not None else [],
    }


def _fused_tree(plan: "Plan") -> list[list[str]]:
    from penstock.pipeline.chains import chains_trouble, fused

    return [] if chains_trouble(plan) else fused(plan)


def _memory_tree(plan: "Plan") -> dict[str, Any]:
    from dataclasses import asdict

    from penstock.pipeline.memory import kept_bytes, memory_plan

    memory = memory_plan(plan)
    return {"kept": kept_bytes(plan), "pools": [asdict(pool) for pool in memory.pools], "nbytes": memory.nbytes}
