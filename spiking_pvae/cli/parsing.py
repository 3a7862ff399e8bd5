"""From words on the command line to a command, with the parser's errors in the form of all others.

The parser draws a box around its messages. Its text is read back, without the box, and said as every other error of
the program: what was given, what is allowed, what to do.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import tyro

from spiking_pvae.cli.command import Command
from spiking_pvae.errors import InputError

C = TypeVar("C", bound=Command)

_WIDE = "1000"
"""Columns at which the parser breaks no line of its messages."""


def parse(kind: type[C], name: str, options: Sequence[str], default: C | None = None) -> C:
    """Build a command from its options.

    Parameters
    ----------
    kind : type
        Its class.
    name : str
        What it is called by.
    options : sequence of str
        The words after the name.
    default : Command, optional
        Values of options that are not given, where they differ from the class's.

    Raises
    ------
    InputError
        The options can't be used.
    SystemExit
        The help was asked for and printed.
    """
    program = f"spiking-pvae {name}"
    given = tyro.MISSING_NONPROP if default is None else default
    if asks_for_help(options):
        return tyro.cli(kind, prog=program, args=["--help"], default=given, config=(tyro.conf.DisallowNone,))
    said = io.StringIO()
    try:
        with _columns(_WIDE), contextlib.redirect_stderr(said):
            return tyro.cli(kind, prog=program, args=options, default=given, config=(tyro.conf.DisallowNone,))
    except SystemExit:
        raise _error(_lines(said.getvalue()), options, f"{program} --help") from None


def asks_for_help(options: Sequence[str]) -> bool:
    """Tell whether the help is to be printed, whatever else is asked for."""
    return not {"-h", "--help"}.isdisjoint(options)


@contextlib.contextmanager
def _columns(width: str) -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = width
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _lines(box: str) -> list[str]:
    """Return the lines inside a box, without colours, borders and rulers, which may be plain ASCII."""
    inside = (line.strip("│| ") for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines())
    return [line for line in inside if line and not re.match(r"[╭╰+─]|-+$", line)]


def _error(lines: Sequence[str], options: Sequence[str], help_command: str) -> InputError:
    """Say a message of the parser in the program's form; one of an unknown kind is passed on as it is."""
    text, see = " ".join(lines), f"See {help_command}."
    if "Missing from" in text:
        missing = [f"{name} ({what})" for name, told in pairwise(lines) if (what := _required(told))]
        return InputError(
            "options", given=f"no {', no '.join(missing)}", allowed="all that the command requires", remedy=see
        )
    if found := re.search(r"[Ii]nvalid choice '(.*?)' for argument '(.*?)'. Expected one of \((.*?)\)", text):
        allowed = ", ".join(sorted(set(re.findall(r"'(.*?)'", found[3])) - {"None"}))
        return InputError(found[2], given=f"'{found[1]}'", allowed=allowed, remedy=see)
    if found := re.search(r"Error parsing (\S+):", text):
        kind = next((line.removeprefix(found[1]) for line in lines if line.startswith(f"{found[1]} ")), "another value")
        kind = re.sub(r"\{?\[(\S+) \[\1 \.\.\.\]\]\}?", r"\1 \1 ...", kind).strip()
        return InputError(found[1], given=_values(found[1], options), allowed=kind, remedy=see)
    if found := re.search(r"Missing value for argument '(.*?)'", text):
        return InputError(found[1], given="no value", allowed="a value after it", remedy=see)
    if found := re.search(r"Unrecognized options: (.*?)(?: Perhaps you meant:| For full|$)", text):
        meant = re.search(r"Perhaps you meant: (--[\w-]+)", text)
        remedy = f"Did you mean {meant[1]}? {see}" if meant else see
        return InputError("options", given=found[1].replace(", ", " "), allowed="the command's own", remedy=remedy)
    return InputError("options", given=" ".join(options), allowed=text.partition(" For full")[0], remedy=see)


def _required(description: str) -> str:
    """Return what a missing option is for, in lower case; empty where the line describes none."""
    what, mark, _ = description.partition("(required)")
    return (what[:1].lower() + what[1:]).strip(". ") if mark else ""


def _values(option: str, options: Sequence[str]) -> str:
    """Return the words that follow an option, up to the next option."""
    for place, word in enumerate(options):
        if word == option:
            after = list(options[place + 1 :])
            stop = next((i for i, each in enumerate(after) if each.startswith("--")), len(after))
            return " ".join(after[:stop])
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return " ".join(options)
