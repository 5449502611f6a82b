"""A member of a group: ``python -m bench.streams_member FOLDER ADDRESS GROUP PREFETCH POWER``."""

import sys
import time

from bench.children import say
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from penstock.streams.group_consumer import GroupConsumer
from penstock.streams.membership import Membership

__all__: list[str] = []


def main(folder: str, address_text: str, group: str, prefetch: str, power: str) -> None:
    """Share a stream that has ended, and say how many messages were this member's, and when it was done."""
    address = StreamAddress.parse(address_text)
    with DirectoryStore(folder) as store:

        def become() -> Membership:
            return store.group(address, group, survives_power_loss=bool(int(power)))

        with GroupConsumer(store, address, become, int(prefetch)) as member:
            say("ready")
            sys.stdin.readline()
            count = 0
            for message in member.follow():
                member.ack(message)
                count += 1
            member.flush()
            end_s = time.monotonic()
            say({"count": count, "again": member.snapshot().redelivered, "end_s": end_s})


if __name__ == "__main__":
    main(*sys.argv[1:])
