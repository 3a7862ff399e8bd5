"""What users see: messages and progress on stderr, results on stdout."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

PLAIN_INTERVAL_S = 10.0
"""Seconds between plain lines of progress where stderr is no terminal."""


_NUMBER = re.compile(r"^[-+]?[\d,.]+(e[-+]?\d+)?( \S{1,3})?$|^-?$|^nan$")


class Tick(Protocol):
    """Moves a progress display to `done`, with a note beside it."""

    def __call__(self, done: int, note: str = "") -> None:
        """Show `done` of all."""


def jsonable(value: Any) -> Any:
    """Turn frozen values into JSON ones, in depth; what JSON has no number for (NaN, infinity) becomes None."""
    if is_dataclass(value):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Terminal:
    """Messages, progress, tables and the one JSON object.

    Parameters
    ----------
    as_json : bool
        stdout carries exactly one JSON object and nothing else.
    quiet : bool
        No messages and no progress.
    mute : bool
        Nothing but errors: another process speaks.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, mute: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet or mute
        self.mute = mute
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)
        self.out = Console(highlight=False)

    def say(self, message: str) -> None:
        """Tell what happens."""
        if not self.quiet:
            self.err.print(message, markup=False)

    def fail(self, message: str) -> None:
        """Tell why the command ends."""
        self.err.print(f"[bold red]error[/]: {_escaped(message)}")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Tick]:
        """Show a bar with rate and time left on a terminal, a plain line every ten seconds otherwise."""
        if self.quiet:
            yield _ignore
        elif self.err.is_terminal:
            columns = (
                TextColumn(label),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            with Progress(*columns, console=self.err) as bar:
                task = bar.add_task(label, total=total, note="", rate="")
                started = time.perf_counter()

                def move(done: int, note: str = "") -> None:
                    rate = done / max(1e-9, time.perf_counter() - started)
                    bar.update(task, completed=done, note=note, rate=_rate(rate))

                yield move
        else:
            yield self._plain(label, total)

    def _plain(self, label: str, total: int) -> Tick:
        started = time.perf_counter()
        last = started

        def tell(done: int, note: str = "") -> None:
            nonlocal last
            now = time.perf_counter()
            if done < total and now - last < PLAIN_INTERVAL_S:
                return
            last = now
            elapsed = now - started
            rate = done / max(elapsed, 1e-9)
            left = (total - done) / max(rate, 1e-9)
            self.say(f"{label}: {done} of {total}, {_rate(rate)}, {elapsed:.0f} s, {left:.0f} s left {note}".rstrip())

        return tell

    def emit(self, result: Mapping[str, Any], *tables: Table | Text) -> None:
        """Print the result: one JSON object, or the tables and texts."""
        if self.mute:
            return
        if self.as_json:
            sys.stdout.write(json.dumps(jsonable(result), allow_nan=False) + "\n")
            sys.stdout.flush()
            return
        for shown in tables:
            # Words of a text may be commands to copy: no line breaks of ours in them.
            self.out.print(shown, soft_wrap=isinstance(shown, Text))


def _rate(rate: float) -> str:
    """Write a rate; what takes longer than a second by the minute."""
    return f"{rate:,.0f}/s" if rate >= 1 else f"{60 * rate:.2g}/min"


def _ignore(done: int, note: str = "") -> None:
    """Show nothing."""


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


def table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """Build a table; columns of numbers are right-aligned."""
    shown = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        numbers = all(_NUMBER.match(row[index]) for row in rows)
        shown.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_escaped(cell) for cell in row))
    return shown
