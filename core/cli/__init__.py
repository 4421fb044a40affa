"""The command line. `main` is the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line. Exit codes: 0 ok, 1 error, 2 usage, 3 some items failed, 130 interrupted.

    With SIGHTSOUND_DEBUG set, errors keep their tracebacks.
    """
    import sightsound.blas  # noqa: F401 (before what imports NumPy)
    from sightsound.cli import interrupting, remarks
    from sightsound.errors import SightsoundError

    interrupting.watch()
    remarks.show()
    for stream in (sys.stdout, sys.stderr):
        # File names need not be UTF-8, and a terminal need not show every letter: neither may stop a command.
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    try:
        from sightsound.cli.app import build

        build()()
    except SightsoundError as error:
        _end(error, str(error), error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        _end(error, f"{error.filename}: {error.strerror}", 1)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            _interrupted()
        raise


def _end(error: Exception, message: str, code: int) -> None:
    if os.environ.get("SIGHTSOUND_DEBUG"):
        raise error
    from sightsound.cli.common import note

    note(f"error: {message}")
    sys.exit(code)


def _interrupted() -> None:
    print("interrupted; run the same command again to go on", file=sys.stderr)
    sys.exit(INTERRUPTED)
