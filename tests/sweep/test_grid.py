"""The grid is the product of its axes, cut into chains that rise in beta."""

import dataclasses

import pytest

from spiking_pvae.errors import InputError
from spiking_pvae.sweep.grid import PRESETS, SweepConfig, curves, points


def test_the_papers_grid_has_176_points_and_its_checks(grid):
    config = PRESETS["metabolic-cost"]
    found = [point for point in points(config) if point.start != "cold"]
    assert sum(point.model in ("poisson", "grelu") for point in found) == 176
    assert sum(point.model == "grelu-learned" for point in found) == 88
    assert len({point.folder for point in points(config)}) == len(points(config))


def test_every_point_is_on_one_curve_and_curves_rise_from_a_first_point(grid):
    chains = curves(grid)
    assert sorted((p for curve in chains for p in curve), key=str) == sorted(points(grid), key=str)
    for curve in chains:
        betas = [point.beta for point in curve]
        assert betas == sorted(betas)
        assert [point.start for point in curve] in (["cold"], ["first", *["continued"] * (len(curve) - 1)])
        assert len({(point.model, point.latents, point.seed) for point in curve}) == 1


def test_the_last_point_of_a_curve_is_trained_longer(grid):
    curve = curves(grid)[0]
    assert [point.epochs(grid) for point in curve] == [2, 1, 1]
    longer = dataclasses.replace(grid, last_epochs=3)
    assert [point.epochs(longer) for point in curve] == [2, 1, 3]
    assert all(preset.last_epochs > preset.next_epochs for preset in PRESETS.values())


def test_the_longest_work_starts_first(grid):
    sizes = [curve[0].latents for curve in curves(grid)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    "change",
    [
        {"latents": ()},
        {"latents": (4, 4)},
        {"latents": (0,)},
        {"betas": (0.0,)},
        {"betas": (float("nan"),)},
        {"seeds": (-1,)},
        {"cold_betas": (3.0,)},
        {"first_epochs": 0},
        {"last_epochs": 0},
    ],
)
def test_bad_settings_are_refused(change):
    with pytest.raises(InputError):
        dataclasses.replace(SweepConfig(cold_latents=(), cold_betas=()), **change)
