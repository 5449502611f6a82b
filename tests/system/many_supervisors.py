"""Supervisors to be killed, a new one for every line: ``python -m tests.system.many_supervisors``.

They are copies of this process, which has imported everything already.
"""

import os
import signal
import sys

from penstock.engines.local import LocalRun
from tests.system.local_runs import scan


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    plan = scan(gate="/nowhere/at all").plan()
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            local = LocalRun(plan)
            local.open()
            while local.step():
                pass
            os._exit(1)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
