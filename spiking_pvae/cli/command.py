"""What every command has in common."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from spiking_pvae.cli.terminal import Terminal
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset

if TYPE_CHECKING:
    from spiking_pvae.deploy.ir import Network


@dataclass(frozen=True, kw_only=True)
class Command:
    """Options of every command."""

    json: bool = False
    """Print exactly one JSON object on stdout; messages go to stderr."""
    quiet: bool = False
    """No messages and no progress."""
    debug: bool = False
    """Show the traceback of an error."""

    @classmethod
    def defaults(cls, options: Sequence[str]) -> Self | None:
        """Return the command's defaults where options, not yet parsed, choose other ones than the class's."""
        return None

    def execute(self, terminal: Terminal) -> Mapping[str, Any]:
        """Do the work, print the result and return it as JSON values."""
        raise NotImplementedError(type(self).__name__)

    def exit_code(self, result: Mapping[str, Any]) -> int:
        """Return what the process ends with: 0, or 1 where the command is a check and the check failed."""
        return 0


def process_rank() -> int:
    """Return the number of this process among those that torchrun started; 0 where it started none."""
    rank = os.environ.get("RANK", "0")
    if not rank.isdecimal():
        raise InputError(
            "environment variable RANK",
            given=f"'{rank}'",
            allowed="an integer of at least 0, as torchrun sets it",
            remedy="Unset it.",
        )
    return int(rank)


def shown_to(network: Network, given: str | None) -> str:
    """Return the data that a network is shown: what was asked for, else what it was made for, else ``natural``."""
    return given or network.data or "natural"


def load_data(name: str, folder: Path | None, terminal: Terminal) -> Dataset:
    """Load a data set by name or path; paths are made absolute, so that run folders can be moved."""
    from spiking_pvae.data import catalog, load

    terminal.say(f"Loading data '{name}'")
    options = {} if folder is None else {"folder": folder}
    known = {entry.name for entry in catalog()}
    path = Path(name).expanduser()
    return load(name if name in known or not path.exists() else path.resolve(), **options)
