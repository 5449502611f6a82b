"""``from WorkerLogger import WorkerLogger``, as users of rta-dp write it."""

from pathlib import Path

from penstock.compat.rtadp.log import Log

__all__ = ["WorkerLogger"]


class WorkerLogger(Log):
    """A log in a file, for users' own programs."""

    def __init__(self, logger_name: str = "my_logger", log_file: str = "my_log_file.log", level: int = 10) -> None:
        del logger_name, level  # everything is written
        super().__init__(Path(log_file))
