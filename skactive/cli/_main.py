"""Finds the command, runs it, and turns what goes wrong into a message and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TextIO

from skactive.cli._console import UsageError, say
from skactive.exceptions import JournalError

__all__ = ["main"]

_DONE, _FAILED, _WRONG_USAGE, _INTERRUPTED = 0, 1, 2, 130
# What users can mend. Anything else is a mistake in skactive and comes with its traceback.
_USER_ERRORS = (ValueError, TypeError, OSError, ImportError, MemoryError, JournalError)
_COMMANDS = {
    "select": "skactive.cli._select",
    "label": "skactive.cli._label",
    "labelstudio": "skactive.cli._labelstudio",
    "sheet": "skactive.cli._sheet",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Results go to standard output or to a file, messages to standard error.

    Parameters
    ----------
    argv : list of str or None, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    code : {0, 1, 2, 130}
        0: done; 1: the work failed; 2: wrong usage; 130: interrupted by Ctrl-C.

    Examples
    --------
    >>> from skactive.cli import main
    >>> main(["--version"])
    skactive ...
    0
    """
    commands = {name: import_module(module) for name, module in _COMMANDS.items()}
    try:
        options = _make_parser(commands).parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else _WRONG_USAGE
    with _warnings_as_messages():
        try:
            return int(commands[options.skactive_command].run(options))
        except KeyboardInterrupt:
            say("interrupted")
            return _INTERRUPTED
        except BrokenPipeError:
            _close_broken_pipe()
            return _FAILED
        except _USER_ERRORS as error:
            if options.traceback:
                raise
            say(f"error: {error or type(error).__name__}")
            return _WRONG_USAGE if isinstance(error, UsageError) else _FAILED


def _make_parser(commands: dict[str, Any]) -> argparse.ArgumentParser:
    from skactive import __version__

    parser = argparse.ArgumentParser(
        prog="skactive", description="Pick the rows worth labelling, and label them."
    )
    parser.add_argument("--version", action="version", version=f"skactive {__version__}")
    parser.add_argument(
        "--traceback", action="store_true", help="show where in the program an error arose"
    )
    subparsers = parser.add_subparsers(
        dest="skactive_command", metavar="COMMAND", required=True, title="commands"
    )
    for command in commands.values():
        command.add_parser(subparsers)
    for subparser in subparsers.choices.values():
        subparser.add_argument(
            "--traceback",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show where in the program an error arose",
        )
    return parser


@contextmanager
def _warnings_as_messages() -> Iterator[None]:
    """A warning is one line; those for programmers are not shown."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        say(f"warning: {message}")

    with warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = show
        yield


def _close_broken_pipe() -> None:
    """Whoever read has enough; Python must not try again to write when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
