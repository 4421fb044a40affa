"""The command line. `main` is the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line. Exit codes: 0 ok, 1 error, 2 usage, 3 some items failed, 130 interrupted."""
    from sightsound.errors import SightsoundError

    for stream in (sys.stdout, sys.stderr):
        # File names need not be UTF-8, and a terminal need not show every letter: neither may stop a command.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    try:
        from sightsound.cli.app import build

        build()()
    except SightsoundError as error:
        if os.environ.get("SIGHTSOUND_DEBUG"):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
