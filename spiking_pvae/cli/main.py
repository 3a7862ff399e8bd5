"""Entry point: finds the command, runs it, and turns errors into one message and an exit code.

Exit codes: 0 done, 1 a check failed, 2 bad input or usage, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from spiking_pvae import __version__

COMMANDS = {
    "run": ("Run", "the main job: train, convert, simulate, energy"),
    "train": ("Train", "train a P-VAE"),
    "prune": ("Prune", "fewer synapses for a trained model, with fine-tuning"),
    "evaluate": ("Evaluate", "held-out numbers of a trained model"),
    "inspect": ("Inspect", "pictures and a table of a trained model's latents"),
    "convert": ("Convert", "integer spike-count network of a trained model, and what the conversion costs"),
    "check": ("Check", "hardware budget of an integer network on a chip"),
    "simulate": ("Simulate", "spike counts of an integer network"),
    "energy": ("Energy", "joules an inference, beside the KL"),
    "export": ("Export", "files for other tools: NIR, snnTorch, ..., with golden traces"),
    "verify": ("Verify", "every backend against the reference, integer for integer"),
    "sweep": ("Sweep", "the beta x K grid of the paper, resumable, on this machine or a cluster"),
    "report": ("Report", "one self-contained HTML page about a run or a sweep"),
    "data": ("Data", "the data sets, their sources and licences"),
    "hardware": ("Hardware", "the energy presets and their sources"),
    "doctor": ("Doctor", "versions, devices, optional parts"),
}


def overview() -> str:
    """Return the help text of the program."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: spiking-pvae COMMAND [options]",
            "",
            "Train a Poisson variational autoencoder, run it as an integer spiking network, count its joules.",
            "",
            "commands:",
            *lines,
            "",
            "  spiking-pvae COMMAND --help    options and an example",
            "  spiking-pvae --version         version",
            "",
            "exit codes: 0 done, 1 a check failed, 2 bad input or usage, 130 interrupted",
            "",
            "example: spiking-pvae run --out runs/first",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; the process's own if not given.

    Returns
    -------
    int
        Exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else "--help"
    if name in ("-h", "--help"):
        print(overview())  # noqa: T201 - the result of the command
        return 0 if given else 2
    if name == "--version":
        print(f"spiking-pvae {__version__}")  # noqa: T201 - the result of the command
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"error: command: got '{name}'; allowed: {', '.join(COMMANDS)}.\n")
        return 2
    return _run(name, given[1:])


def _run(name: str, options: list[str]) -> int:
    """Parse one command's options and execute it."""
    # Options are parsed first, so that bad values surface before any heavy import.
    from spiking_pvae.cli.command import Command, process_rank
    from spiking_pvae.cli.parsing import asks_for_help, parse
    from spiking_pvae.cli.terminal import Terminal
    from spiking_pvae.errors import SpikingPvaeError

    terminal = Terminal()
    debug = "--debug" in options
    try:
        kind = getattr(import_module(f"spiking_pvae.cli.{name}"), COMMANDS[name][0])
        default = None if asks_for_help(options) else kind.defaults(options)
        command: Command = parse(kind, name, options, default)
        terminal = Terminal(as_json=command.json, quiet=command.quiet, mute=process_rank() > 0)
        return command.exit_code(command.execute(terminal))
    except SystemExit as stop:  # the parser ends the process after --help
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        terminal.fail("interrupted")
        return 130
    except (SpikingPvaeError, OSError) as error:
        if debug:
            raise
        terminal.fail(str(error))
        return 2
