"""What verify shows."""

from rich.console import Console

from spiking_pvae.cli.terminal import Terminal
from spiking_pvae.cli.verify import summary
from spiking_pvae.deploy.backends import BACKENDS, SCHEDULES
from spiking_pvae.deploy.hosts import LAVA


def rows():
    common = {"version": None, "samples": 0, "compared": 0, "mismatches": 0, "first_difference": None, "reason": ""}
    for backend in BACKENDS:
        for schedule in (*SCHEDULES, "streaming"):
            ran = {"status": "equal", "samples": 10_000, "compared": 123_456_789}
            yield {**common, "name": backend.name, "schedule": schedule, **ran}
    for name in ("lava", "netx"):
        yield {**common, "name": name, "schedule": None, "status": "missing", "reason": LAVA.install}
    first = {"layer": "latents", "quantity": "count", "neuron": 3, "step": 0, "sample": 9, "expected": 2, "got": 1}
    yield {
        **common,
        "name": "numba",
        "schedule": "graded",
        "status": "different",
        "mismatches": 1,
        "first_difference": first,
    }


def test_the_table_fits_into_eighty_columns(capsys):
    terminal = Terminal()
    terminal.out = Console(highlight=False, width=80)
    terminal.emit({}, *summary("runs/network: backends against the reference", {"backends": list(rows())}))
    shown = capsys.readouterr().out.splitlines()
    table = [line for line in shown if line[:1] in "┏┡└│┃"]
    assert max(map(len, table)) <= 80
    # Every row is one line: names, statuses and numbers are never folded.
    assert len(table) == len(list(rows())) + 4
    # One line a command, so that it can be copied, and one command for all that it installs.
    assert shown.count(f"lava, netx missing: {LAVA.install}") == 1
    assert shown[-1].endswith("first: layer 'latents', count of neuron 3, step 0, sample 9: expected 2, got 1")
