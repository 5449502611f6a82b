"""A member of a group that lives until its input ends: ``python -m tests.system.group_member STORE ADDRESS``.

Of four messages it does two, fails at the third until that is dead, and holds the fourth. It says ``ready``, and for
each line of the input what it can claim then.
"""

import sys
from typing import TextIO

from penstock.core.stream_address import StreamAddress
from penstock.streams.membership import GroupStore
from penstock.streams.store_at import store_at


def main(where: str, address: str, said: TextIO) -> None:
    with store_at(where) as store:
        assert isinstance(store, GroupStore)
        with store.group(StreamAddress.parse(address), "fit", member="ann", attempts=2, flush_s=0) as member:
            assert member.claim(4).ids == [(1, 4)]
            member.acknowledge(1, 2)
            member.refuse(3, reason="dark")
            assert member.claim().ids == [(3, 3)]
            member.refuse(3, reason="dark")
            said.write("ready\n")
            for _ in sys.stdin:
                claim = member.claim()
                said.write(f"{claim.ids}\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is no other stream here
    main(sys.argv[1], sys.argv[2], sys.stdout)
