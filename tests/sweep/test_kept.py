"""What the documentation keeps of a sweep: how long it took, as far as the calls on it tell."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from spiking_pvae.sweep import engine
from spiking_pvae.sweep.engine import CALLS, run_sweep

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def keeping():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        patch.delitem(sys.modules, "measuring", raising=False)
        spec = importlib.util.spec_from_file_location("keep_sweep", BENCHMARKS / "keep_sweep.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


def call(started, seconds=None, workers=2):
    """Return the lines of a call; without seconds those of a killed one."""
    start = {"started": started, "workers": workers}
    return [start] if seconds is None else [start, {**start, "ended": f"{started}+", "seconds": seconds}]


def test_calls_that_came_to_their_end_add_up(keeping):
    assert keeping.wall_time([*call("a", 3600.0), *call("b", 1800.0)], 5000.0) == "5400 s (1.50 h), in 2 calls"


def test_a_killed_call_makes_it_at_least(keeping):
    notes = [*call("a"), *call("b", 3600.0)]
    assert keeping.wall_time(notes, 10.0) == "at least 3600 s (1.00 h), without 1 that were killed"
    unnoted = [{"ended": "b", "seconds": 3600.0, "workers": 2}]
    assert keeping.wall_time(unnoted, 7300.0).startswith("at least 3600 s")


@pytest.mark.parametrize("lines", [None, call("a")])
def test_a_sweep_of_which_no_call_ended_is_said_plainly(keeping, tmp_path, lines):
    if lines is not None:
        (tmp_path / CALLS).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(SystemExit, match="no call that came to its end"):
        keeping.about(tmp_path, [], "")


def test_a_call_is_noted_when_it_starts_and_when_it_ends(images, grid, tmp_path, monkeypatch):
    found = []

    def stop(chains, job, workers, tell):
        found.extend((job.out / CALLS).read_text(encoding="utf-8").splitlines())
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run_local", stop)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(grid, images, tmp_path, workers=3)
    (started,) = map(json.loads, found)
    _, ended = map(json.loads, (tmp_path / CALLS).read_text(encoding="utf-8").splitlines())
    assert started == {"started": ended["started"], "workers": 3}
    assert ended["seconds"] >= 0
    assert ended["ended"] >= ended["started"][:19]
