"""Where commands are to be taken over ZeroMQ, as people write it."""

from penstock.elements.network_address import is_local
from penstock.transport.address import address_problem

__all__ = ["control_problem"]


def control_problem(address: str, *, has_tokens: bool = True) -> str:
    """Return why commands cannot be taken at an address, and what would be right; empty if they can.

    Parameters
    ----------
    has_tokens
        Whether senders must have one; without, only this machine may be let in.
    """
    if problem := address_problem(address):
        return problem
    kind, _, rest = address.partition("://")
    if kind == "inproc":
        return f'nobody outside can reach "{address}"; write "tcp://127.0.0.1:8420" or "ipc://name"'
    if kind == "tcp" and not has_tokens and not is_local(rest.rpartition(":")[0]):
        return (
            f"{address} can be reached from other machines: give a token for viewers, operators or both, "
            "or take tcp://127.0.0.1"
        )
    return ""
