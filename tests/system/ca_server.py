"""A soft IOC for tests, in a process of its own, over Channel Access: it is told what to put by its standard input.

Each line is a JSON list: a process variable and its next value as text. An empty list is answered by a line, so that
whoever waits for it knows what has been put.
"""

import json
import os
import sys

DATABASE = """
record(ai, "current") { field(EGU, "mA") field(PREC, "2") field(HIHI, "9") field(HHSV, "MAJOR") field(PINI, "YES") }
record(bo, "state") { field(ZNAM, "closed") field(ONAM, "open") field(PINI, "YES") }
record(stringin, "text") { field(VAL, "hello") field(PINI, "YES") }
record(longin, "never") { }
record(waveform, "trace") { field(FTVL, "DOUBLE") field(NELM, "8") field(PINI, "YES") }
record(waveform, "names") { field(FTVL, "STRING") field(NELM, "4") field(PINI, "YES") }
"""


def answer(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main(port: str, database: str) -> None:
    os.environ.update(
        EPICS_CA_SERVER_PORT=port,
        EPICS_CAS_INTF_ADDR_LIST="127.0.0.1",
        EPICS_CAS_BEACON_ADDR_LIST="127.0.0.1",
        EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO",
    )
    from epicscorelibs.ioc import ioc, start_ioc

    start_ioc(dbs=[(database, "")])
    answer("ready")
    for line in sys.stdin:
        said = json.loads(line)
        if said:
            ioc(f'dbpf {said[0]} "{said[1]}"')
        else:
            answer("said")


if __name__ == "__main__":
    main(*sys.argv[1:])
