"""Where the command ``penstock`` begins: in an installation without a command line it says how to get one."""

import sys

from penstock.errors import MissingExtraError

__all__ = ["main"]


def main() -> None:
    """Run the command line; the exit code says how it went."""
    try:
        from penstock.cli.main import main as run
    except MissingExtraError as error:
        sys.exit(f'penstock: {error} and the commands on streams; "penstock[run]" brings all commands')
    run()
