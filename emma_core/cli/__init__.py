"""The door of the command line: runs `emma`, and turns whatever stops it into one line and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from emma_core import redaction
from emma_core.errors import AuthorError, EmmaError

USAGE = 2
"""The exit code of what cannot be read or done as it was said."""
BROKEN = 70
"""The exit code of an error nobody expected; 1 belongs to verdicts."""
INTERRUPTED = 130

# Typer names the child only; its parent is every usage error there is.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of `emma`, run with these arguments or the process's own."""
    from emma_core.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without a character shows its number instead
    try:
        code = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments), prog_name="emma", standalone_mode=False
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except EmmaError as error:
        return _complain(str(error) if isinstance(error, AuthorError) else " ".join(str(error).split()))
    except _UsageError as error:
        said = _usage(error)
        return _complain(said) if said else USAGE  # nothing was said, and the help shown instead
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _hush()  # whoever read has left: what is still unsaid goes nowhere
        return 1
    except OSError as error:
        _hush()
        where = "the output cannot be written" if error.filename is None else f"{str(error.filename)!r} cannot be used"
        return _complain(f"{where}: {error.strerror or error}; make room, or name another place")
    except Exception:
        print(redaction.mask(traceback.format_exc()), end="", file=sys.stderr)
        return BROKEN


def _complain(text: str) -> int:
    from emma_core.cli.show import visible

    try:
        sys.stdout.flush()
    except OSError:
        _hush()
    with contextlib.suppress(OSError):  # where nobody can be told, the exit code says it
        print(f"emma: {redaction.mask(visible(text))}", file=sys.stderr)
    return USAGE


def _hush() -> None:
    """What stdout still holds goes nowhere, so that no later flush fails again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: Exception) -> str:
    """What was wrong with the command line, and where its help is."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "emma"
    said = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    return f"{said.rstrip('.')}; see `{command} --help`" if said else ""
