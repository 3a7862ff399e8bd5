"""Figures of a sweep: what a table with gaps leaves of them, what the page and the kept folder hold, which joules."""

import hashlib
import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

from spiking_pvae.cli.main import main
from spiking_pvae.energy import load_preset
from spiking_pvae.plots import curves, theory
from spiking_pvae.plots.sweep import sweep_drawings
from spiking_pvae.plots.write import inline
from spiking_pvae.storage import read_json, write_json
from spiking_pvae.sweep.engine import CALLS, MANIFEST
from spiking_pvae.sweep.grid import Point
from spiking_pvae.sweep.results import COLUMNS, Outcome, write_table

ROOT = Path(__file__).parents[2]
BETAS = (0.1, 1.0, 8.0)
FAMILIES = ("poisson", "grelu", "grelu-learned")
THEORY = {
    f"figure-{name}" for name in ("1-divergences", "1-joules", "2-posteriors", "2-joules", "3-moments", "3-joules")
}
CURVES = {"figure-4-metabolic-cost", "figure-4-joules", "figure-5-zeros", "figure-5-joules"}
CURVES |= {"pie-zeros", "pie-joules", "front-distortion", "front-joules"}


def outcome(model, latents, beta, seed=0, start="continued", failed=False):
    """A point with the values that figures are drawn from."""
    values = {"metabolic_cost": 0.3 / beta, "proportion_zeros": 0.5 + beta / 20, "kl": 9 / beta, "mse": 20 + beta}
    values |= {"latent_joules": 1e-8 / beta, "joules": 1e-6, "objective": 30.0, "silent_objective": 60.0}
    point = Point(model=model, latents=latents, beta=beta, seed=seed, start=start)
    done = {} if failed else values
    return Outcome(point=point, reason="RuntimeError: made" * failed, values=done, seconds=1.0, cpu_seconds=1.0)


def grid(sizes=(64, 512), seeds=(0,), gaps=()):
    """Points of all families; those of a (family, K) in `gaps` failed."""
    return [
        outcome(model, latents, beta, seed, failed=(model, latents) in gaps)
        for model in FAMILIES
        for latents in sizes
        for seed in seeds
        for beta in BETAS
    ]


def rows_of(outcomes):
    state = [("failed" if o.reason else "done", o) for o in outcomes]
    points = [{k: getattr(o.point, k) for k in ("model", "latents", "beta", "seed", "start")} for o in outcomes]
    return [
        {**dict.fromkeys(COLUMNS), **point, "status": status, "reason": o.reason, **o.values}
        for point, (status, o) in zip(points, state, strict=True)
    ]


def drawn(outcomes):
    groups = sweep_drawings(rows_of(outcomes), load_preset("loihi_davies2018"), 256)
    return {drawing.name: drawing for group in groups.values() for drawing in group}


class TestGaps:
    def test_a_family_without_the_reference_k_costs_its_pie_alone(self):
        found = drawn(grid(gaps={("grelu", 512)}))
        assert set(found) == THEORY | CURVES
        titles = [axes.get_title() for axes in found["pie-zeros"].figure.axes]
        assert sum("not reached" in title for title in titles) == len(BETAS)
        for drawing in found.values():
            inline(drawing)

    def test_a_family_with_its_check_alone_has_no_panel(self):
        outcomes = [*grid(gaps={("grelu", 64), ("grelu", 512)}), outcome("grelu", 64, 1.0, start="cold")]
        assert curves.families(rows_of(outcomes)) == ["poisson", "grelu-learned"]
        found = drawn(outcomes)
        assert set(found) == THEORY | CURVES
        assert len(found["front-joules"].figure.axes) == 2

    def test_without_any_curve_the_figures_that_need_none_are_left(self):
        assert set(drawn([outcome("poisson", 64, 1.0, start="cold")])) == THEORY


@pytest.mark.parametrize("name", ["figure-4-joules", "figure-5-zeros", "front-distortion"])
def test_a_k_has_one_colour_and_one_line_in_the_legend(name):
    figure = drawn(grid(sizes=(32, 64, 512), seeds=(0, 1), gaps={("grelu", 32), ("poisson", 512)}))[name].figure
    colours = {}
    for axes in figure.axes:
        for line in axes.lines:
            colours.setdefault(int(line.get_gid().rsplit("-", 2)[1]), set()).add(line.get_color())
    assert set(colours) == {32, 64, 512}
    assert all(len(one) == 1 for one in colours.values())
    assert len(set.union(*colours.values())) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["K = 32", "K = 64", "K = 512"]
    assert [{handle.get_color()} for handle in legend.legend_handles] == [colours[k] for k in (32, 64, 512)]


def test_joules_of_figures_1_and_2_are_those_of_one_message_a_latent_that_is_not_silent():
    e = 3e-9
    lines = theory.figure_1(e)[1].figure.axes[1].lines
    for line, rate in zip(lines, theory.PRIOR_RATES, strict=True):
        u, joules = line.get_data()
        heard = [poisson.pmf(np.arange(1, 200), r).sum() for r in rate * np.exp(u)]
        np.testing.assert_allclose(joules * rate, np.array(heard) * e * 1e9, rtol=1e-9)
    mean, joules = theory.figure_2(e)[1].figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(joules, poisson.sf(0, mean) * e * 1e9, rtol=1e-9)


def test_the_text_of_figure_1_says_what_its_line_does():
    drawing = theory.figure_1(1e-9)[0]
    u, f = drawing.figure.axes[0].lines[0].get_data()
    assert np.all(np.diff(f[u < 0]) < 0)
    assert np.all(np.diff(f[u > 0]) > 0)
    assert drawing.text.startswith("f falls from 1 at very negative u to 0 at u = 0 and rises exponentially")


@pytest.fixture
def keeping(monkeypatch):
    """Return a function that imports a script."""

    def script(folder, name):
        monkeypatch.syspath_prepend(ROOT / folder)
        monkeypatch.delitem(sys.modules, "measuring", raising=False)
        spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return script


def write_sweep(folder, outcomes, hardware="loihi_davies2018"):
    """Write what a finished sweep leaves, without its models."""
    folder.mkdir()
    write_table(folder, outcomes)
    epochs = dict.fromkeys(("first_epochs", "next_epochs", "last_epochs", "cold_epochs"), 1)
    settings = {"hardware": hardware, **epochs}
    data = dict.fromkeys(("name", "source", "licence", "fingerprint"), "made")
    write_json(folder / MANIFEST, {"sweep": settings, "data": data, "version": "0"})
    call = {"started": "2020-01-01", "ended": "2020-01-01", "seconds": 9.0, "workers": 1}
    (folder / CALLS).write_text(json.dumps(call) + "\n", encoding="utf-8")
    run = folder / outcomes[0].point.folder
    run.mkdir(parents=True)
    write_json(run / "run.json", {"image_shape": [1, 12, 12]})


@pytest.mark.slow
def test_a_kept_sweep_holds_every_table_and_every_figure_and_its_page_shows_them(keeping, tmp_path):
    pytest.importorskip("pyarrow")
    keep_sweep, results = keeping("benchmarks", "keep_sweep"), tmp_path / "kept"
    for name in ("one", "two"):
        write_sweep(tmp_path / name, grid(sizes=(8,), gaps={("grelu-learned", 8)}))
        keep_sweep.keep(tmp_path / name, results / name, "the command")
        keep_sweep.draw(results / name)
        figures = {f"{figure}.{kind}" for figure in THEORY | CURVES for kind in ("png", "svg")}
        tables = {"results.csv", "results.parquet", "timings.csv", "about.json"}
        assert {path.name for path in (results / name).iterdir()} == figures | tables
    assert read_json(results / "one" / "about.json")["pixels of an image"] == "144"

    page = keeping("docs", "generate").sweep_results(tmp_path / "_generated", results)
    shown = re.findall(r"\]\(_generated/(.*?)\)", page)
    assert all((tmp_path / "_generated" / path).is_file() for path in shown)
    assert sorted(Path(path).stem for path in shown) == sorted([*THEORY, *CURVES, *CURVES])


@pytest.mark.slow
def test_a_report_elsewhere_leaves_figures_and_claims_in_the_sweep_and_nothing_beside_the_page(tmp_path, capsys):
    sweep, other = tmp_path / "sweep", tmp_path / "other"
    write_sweep(sweep, grid(sizes=(8,), gaps={("grelu", 8), ("grelu-learned", 8)}), hardware="hardware/own.toml")
    (sweep / "hardware").mkdir()
    shutil.copyfile(ROOT / "energy" / "presets" / "loihi_davies2018.toml", sweep / "hardware" / "own.toml")
    other.mkdir()
    (other / "claims.json").write_text("mine", encoding="utf-8")
    assert main(["report", str(sweep), "--out", str(other / "page.html"), "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(other / "page.html")}
    assert {path.name for path in other.iterdir()} == {"claims.json", "page.html"}
    assert (other / "claims.json").read_text(encoding="utf-8") == "mine"
    figures = {f"{figure}.{kind}" for figure in THEORY | CURVES for kind in ("png", "svg")}
    assert {path.name for path in (sweep / "figures").iterdir()} == figures
    assert read_json(sweep / "claims.json")["claims"]
    assert hashlib.sha256((sweep / "results.csv").read_bytes()).hexdigest() in (other / "page.html").read_text("utf-8")


@pytest.mark.parametrize("option", ["--hardware", "--data-folder"])
def test_an_option_of_runs_is_refused_for_a_sweep(option, tmp_path, capsys):
    write_sweep(tmp_path / "sweep", grid(sizes=(8,)))
    assert main(["report", str(tmp_path / "sweep"), option, "loihi_sanafe", "--quiet"]) == 2
    assert "for a sweep" in capsys.readouterr().err
