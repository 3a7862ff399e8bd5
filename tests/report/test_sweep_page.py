"""The page of a sweep counts what was reached, what failed and what was never come to."""

from spiking_pvae.report.sweep_page import sweep_page
from spiking_pvae.sweep.results import COLUMNS


def point(beta, status, reason=""):
    what = {"model": "poisson", "latents": 4, "beta": beta, "seed": 0, "start": "first", "joules": 1e-6}
    return {**dict.fromkeys(COLUMNS), **what, "latent_joules": 1e-9, "status": status, "reason": reason}


def test_points_not_reached_are_not_failures():
    rows = [point(0.1, "done"), point(1.0, "failed", "no room"), point(4.0, "unfinished", "stopped")]
    drawings = {"results": (), "front": (), "theory": ()}
    page = sweep_page(rows, (), drawings, {})
    assert "1 of 3" in page
    assert "1 failed, 1 not reached: the sweep was stopped" in page
    assert "no room" in page
    assert "beta 4" not in page
    assert "not reached" not in sweep_page(rows[:2], (), drawings, {})
