"""``penstock streams groups``: how the groups of a stream are doing, without becoming a member; and what moves one."""

import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.streams.options import (
    DEFAULT_STORE,
    STOPPED,
    AddressArgument,
    JsonOption,
    StoreOption,
    existing,
    opened,
    stream_of,
    wrong,
)

if TYPE_CHECKING:
    from penstock.core.group_record import GroupReport
    from penstock.core.stream_address import StreamAddress
    from penstock.streams.membership import GroupStore, Membership
    from penstock.streams.store import Store

__all__ = ["groups"]


def groups(
    address: AddressArgument,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One of the groups, in detail.")] = "",
    seek: Annotated[
        int | None, typer.Option(metavar="ID", min=0, help="Let the group go on behind this id; 0: from the start.")
    ] = None,
    revive: Annotated[bool, typer.Option("--revive", help="Hand out all dead letters again.")] = False,
    pin: Annotated[
        bool, typer.Option("--pin", help="Keep what the group has not acknowledged, whatever retention says.")
    ] = False,
    unpin: Annotated[bool, typer.Option("--unpin", help="Keep it no longer.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove the group, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Say how the groups of a stream are doing: position, lag, what is in flight, waiting and dead, and members.

    With NAME one of them in detail. Looking changes nothing in a group. A member that goes on after --forget makes the
    group anew, which begins at the start. A group may be pinned before it is there.

    Exit code 0, also if there is no group; 1 there is no such stream or group; 2 wrong as written, also if nobody can
    be asked; 130 the answer was no.
    """
    where = stream_of(address)
    _check(name, {"--seek": seek is not None, "--revive": revive, "--pin": pin, "--unpin": unpin, "--forget": forget})
    with opened(store) as opened_store:
        grouped = _with_groups(opened_store)
        if not name:
            _all(grouped, where, as_json=as_json)
            return
        if pin or unpin:
            _pin(grouped, where, name, is_pinned=pin, as_json=as_json)
            return
        report = _report(grouped, where, name)
        if forget:
            _forget(grouped, where, name, report, yes=yes, as_json=as_json)
        elif seek is not None or revive:
            _move(grouped, where, name, report, seek, as_json=as_json)
        else:
            _one(where, name, report, as_json=as_json)


def _check(name: str, options: dict[str, bool]) -> None:
    asked = [option for option, is_there in options.items() if is_there]
    if len(asked) > 1:
        raise wrong(asked[1], f"{' and '.join(asked)} cannot be had at once", "write one command for each")
    if asked and not name:
        raise wrong("NAME", f"{asked[0]} is for one group", "write the name of the group behind the address")


def _with_groups(store: "Store") -> "GroupStore":
    from penstock.errors import StreamError
    from penstock.streams.membership import GroupStore

    if not isinstance(store, GroupStore):
        raise StreamError("this store has no groups")
    return store


def _report(store: "GroupStore", address: "StreamAddress", name: str) -> "GroupReport":
    from penstock.core.suggest import did_you_mean
    from penstock.errors import StreamError

    report = store.group_report(address, name)
    if report is not None:
        return report
    names = store.groups(address)
    if not names:
        existing(store, address)
    remedy = did_you_mean(name, names, otherwise=f"penstock streams groups {address} shows those there are")
    raise StreamError(f"{address} has no group {name!r}; {remedy}")


def _all(store: "GroupStore", address: "StreamAddress", *, as_json: bool) -> None:
    from penstock.cli.streams.shown import printed_json
    from penstock.cli.streams.shown_groups import group_tree, print_groups

    names = store.groups(address)
    if not names:
        existing(store, address)
    # One that is forgotten meanwhile is left out.
    found = [(name, report) for name in names if (report := store.group_report(address, name)) is not None]
    if as_json:
        print(printed_json([group_tree(name, report) for name, report in found], indent=2))
    elif found:
        print_groups(found)
    else:
        print("no groups", file=sys.stderr)


def _one(address: "StreamAddress", name: str, report: "GroupReport", *, as_json: bool) -> None:
    from penstock.cli.streams.shown import printed_json
    from penstock.cli.streams.shown_groups import group_details, print_group

    if as_json:
        print(printed_json(group_details(name, report), indent=2))
    else:
        print_group(address, name, report)


def _move(
    store: "GroupStore", address: "StreamAddress", name: str, report: "GroupReport", seek: int | None, *, as_json: bool
) -> None:
    from penstock.cli.streams.shown import one_line, printed_json, shown_count

    done: dict[str, int]
    with _member(store, address, name, report) as member:
        if seek is not None:
            member.seek(seek)
            done, said = {"seek": seek}, f"goes on behind {seek}" if seek else "goes on from the start"
        else:
            revived = member.revive()
            done, said = {"revived": revived}, f"{shown_count(revived, 'dead letter')} to be handed out again"
    if as_json:
        print(printed_json({"address": str(address), "name": name, **done}, indent=2))
    else:
        print(f"{address}, {one_line(name)}: {said}")


def _member(store: "GroupStore", address: "StreamAddress", name: str, report: "GroupReport") -> "Membership":
    """Become a member for a moment, which only members can seek and revive as, by the rules that the group has."""
    rules = report.rules
    return store.group(
        address,
        name,
        member=f"penstock streams groups, process {os.getpid()} of {socket.gethostname()}",
        attempts=rules.attempts,
        order=rules.order,
        gap_wait_s=rules.gap_wait_ns / 1e9,
    )


def _pin(store: "GroupStore", address: "StreamAddress", name: str, *, is_pinned: bool, as_json: bool) -> None:
    from penstock.cli.streams.shown import one_line, printed_json
    from penstock.streams.kept_retention import pin_group, pinned_groups

    is_there = name in store.groups(address)
    if not is_there and not is_pinned and name not in pinned_groups(store, address):
        _report(store, address, name)  # says what groups there are
    pin_group(store, address, name, is_pinned=is_pinned)
    if as_json:
        facts = {"address": str(address), "name": name, "pinned": is_pinned, "is_there": is_there}
        print(printed_json(facts, indent=2))
        return
    said = "pinned; what it has not acknowledged is kept" if is_pinned else "no longer pinned"
    print(f"{address}, {one_line(name)}: {said}{'' if is_there else '. There is no such group yet'}")


def _forget(
    store: "GroupStore", address: "StreamAddress", name: str, report: "GroupReport", *, yes: bool, as_json: bool
) -> None:
    from penstock.cli.streams.shown import one_line, printed_json, shown_count

    members = shown_count(len(report.snapshot.members), "member")
    what = f"{address}, {one_line(name)}, {members}, lag {report.snapshot.lag:,}"
    if not yes and not sys.stdin.isatty():
        raise wrong("--yes", f"{what}: nobody can be asked whether to forget it", "add --yes")
    if not yes and not typer.confirm(f"forget {what}?", err=True):
        print("nothing was forgotten", file=sys.stderr)
        raise typer.Exit(STOPPED)
    was_there = store.delete_group(address, name)
    if as_json:
        print(printed_json({"address": str(address), "name": name, "forgotten": was_there}, indent=2))
    else:
        print(f"forgotten: {what}")
