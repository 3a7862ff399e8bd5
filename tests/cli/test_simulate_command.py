"""`simulate` and `energy`: what they report, refuse, and leave alone on disk."""

import csv
import hashlib
import json
from pathlib import Path

import networks
import numpy as np
import pytest

from spiking_pvae.cli.main import main
from spiking_pvae.cli.probing import parse_probe
from spiking_pvae.data import load
from spiking_pvae.deploy import load_raster
from spiking_pvae.deploy.files import load_recording, save_network
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.errors import InputError


@pytest.fixture
def home(tmp_path):
    """A network folder `net` and data `images.npy`."""
    save_network(networks.random_network(3), tmp_path / "net")
    np.save(tmp_path / "images.npy", networks.random_images(1, 100)[:, 0])
    return tmp_path


@pytest.fixture
def call(home, capsys):
    """Run a command on the network; return its JSON object, or its message."""

    def run(command, *options, data="images.npy"):
        arguments = [command, home / "net", "--data", home / data, "--json", *options]
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code in {0, 2}
        assert "Traceback" not in captured.err
        return json.loads(captured.out) if code == 0 else captured.err

    return run


@pytest.mark.parametrize(
    ("schedule", "backend", "ran"),
    [
        ("graded", "auto", "numba"),
        ("unary", "numba", "numba"),
        ("graded", "reference", "reference"),
        ("streaming", "auto", "numba"),
        ("streaming", "reference", "reference"),
    ],
)
def test_the_backend_that_ran(call, schedule, backend, ran):
    assert call("simulate", "--schedule", schedule, "--steps", 4, "--backend", backend)["backend"] == ran


@pytest.mark.parametrize("schedule", ["graded", "unary", "streaming"])
def test_no_steps(call, schedule):
    assert "steps" in call("simulate", "--schedule", schedule, "--steps", 0)


def test_a_folder_beside_the_record_is_not_ours(home, call):
    foreign = home / "rec.parts" / "thesis.tex"
    foreign.parent.mkdir()
    foreign.write_text("x")
    for option in ([], ["--resume"]):
        assert "thesis.tex" in call("simulate", "--record", home / "rec", *option)
    assert foreign.read_text() == "x"
    assert not (home / "rec").exists()


def test_parts_outlive_inputs_that_can_not_be_read(home, call):
    parts = home / "rec.parts"
    network = networks.random_network(3)
    simulate(network, networks.random_images(1, 10), parts=parts)
    kept = list(parts.iterdir())
    assert kept
    assert "missing" in call("simulate", "--record", home / "rec", data="missing.npy")
    assert list(parts.iterdir()) == kept
    assert call("simulate", "--record", home / "rec")["record"] == str(home / "rec")
    assert not parts.exists()


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("latents", ("latents", None, None)),
        ("latents:3", ("latents", ((3, 3),), None)),
        ("latents:0-2,5:4", ("latents", ((0, 2), (5, 5)), (4, 4))),
        ("latents::1-3", ("latents", None, (1, 3))),
    ],
)
def test_how_a_probe_is_written(text, probe):
    assert parse_probe(text) == probe


@pytest.mark.parametrize("text", ["", ":1", "latents:x", "latents:1:2:3", "latents:1,", "latents::1,2", "latents:-1"])
def test_how_a_probe_is_not_written(text):
    with pytest.raises(InputError, match="LAYER:NEURONS:STEPS"):
        parse_probe(text)


@pytest.mark.parametrize("schedule", ["graded", "unary", "streaming"])
def test_probes_write_arrays_and_pictures(home, call, schedule):
    options = ["--schedule", schedule, "--steps", 4, "--probe-out", home / "watched", "--probe-samples", 5]
    last = 1 if schedule == "graded" else 3
    answer = call("simulate", *options, "--probe", "latents:0-1,4:1-1", f"readout::1-{last}")
    assert [(probe["layer"], probe["neurons"]) for probe in answer["probes"]] == [("latents", 3), ("readout", 16)]
    with np.load(home / "watched" / "latents.npz") as arrays:
        assert arrays["neurons"].tolist() == [0, 1, 4]
        assert arrays["spikes"].shape == (1, 5, 3)
        assert arrays["membrane"].shape == (2, 5, 3)
    assert (home / "watched" / "readout.png").read_bytes().startswith(b"\x89PNG")
    assert "layer to probe" in call("simulate", "--probe", "nothing")


@pytest.mark.parametrize("span", ["0-999999999", "2-1"])
def test_spans_are_checked_before_they_are_listed(home, call, span):
    assert f"got {span} of latents" in call("simulate", "--probe", f"latents:{span}", "--probe-out", home / "p")


def test_probes_do_not_overwrite(home, call):
    asked = ["--probe", "latents", "--probe-out", home / "p", "--probe-samples", 2]
    call("simulate", *asked)
    kept = (home / "p" / "latents.npz").read_bytes()
    assert "--force" in call("simulate", *asked, "--seed", 1, data="missing.npy")  # before the data is loaded
    assert (home / "p" / "latents.npz").read_bytes() == kept
    call("simulate", *asked, "--seed", 1, "--force")
    assert (home / "p" / "latents.npz").read_bytes() != kept


def test_a_simulation_without_probes_leaves_no_folder(home, call, monkeypatch):
    monkeypatch.chdir(home)
    call("simulate")
    assert not Path("probes").exists()


def test_traces_on_disk_are_those_in_memory(home, call):
    answer = call("simulate", "--traces", home / "traces", "--keep", "latents", "--repeat", 20)
    assert answer["traces"] == str(home / "traces")
    images = load(home / "images.npy").validation.images
    record = simulate(networks.random_network(3), np.concatenate([images] * 20), keep=("latents",))
    counts = np.load(home / "traces" / "latents.counts.npy", mmap_mode="r")
    assert (counts == record.traces["latents"].counts).all()
    assert (np.load(home / "traces" / "latents.charge.npy") == record.traces["latents"].charge).all()
    assert hashlib.sha256(counts.astype("<i4").tobytes()).hexdigest() == answer["counts_sha256"]
    assert "exists" in call("simulate", "--traces", home / "traces")
    assert "--traces" in call("simulate", "--keep", "latents")


@pytest.mark.parametrize("schedule", ["unary", "streaming"])
def test_rasters_on_disk_are_those_of_probes(home, call, schedule):
    options = ["--schedule", schedule, "--steps", 6, "--repeat", 3]
    watch = ["--probe", "latents", "--probe-out", home / "p", "--probe-samples", 8]
    answer = call(
        "simulate", *options, "--traces", home / "t", "--rasters", "latents", *watch, "--record", home / "rec"
    )
    assert answer["rasters"] == ["latents"]
    assert sorted(path.name for path in (home / "t").iterdir()) == ["latents.spikes.npy", "traces.json"]
    raster = load_raster(home / "t", "latents")
    assert len(raster) == answer["samples"]
    with np.load(home / "p" / "latents.npz") as arrays:
        assert (raster[:8] == arrays["spikes"].swapaxes(0, 1)).all()
    sent = {layer["name"]: layer["spikes"] for layer in answer["layers"]}
    assert raster[:].sum() == round(sent["latents"] * answer["samples"])
    assert load_recording(home / "rec")[1].rasters == {}
    both = call("simulate", *options, "--traces", home / "t2", "--rasters", "latents", "--keep", "readout")
    assert both["counts_sha256"] == answer["counts_sha256"]
    names = ["latents.spikes.npy", "readout.charge.npy", "readout.counts.npy", "traces.json"]
    assert sorted(path.name for path in (home / "t2").iterdir()) == names


def test_rasters_are_refused_before_the_data_is_loaded(home, call):
    asked = ["--rasters", "readout", "--traces", home / "t"]
    missing = {"data": "missing.npy"}
    assert "one step carries counts" in call("simulate", *asked, **missing)
    assert "allowed: latents" in call("simulate", "--schedule", "streaming", *asked, **missing)
    assert "--traces" in call("simulate", "--schedule", "unary", "--rasters", "latents", **missing)
    assert not (home / "t").exists()


def test_a_record_does_not_hold_the_traces_again(home, call):
    call("simulate", "--traces", home / "traces", "--record", home / "rec")
    _, record = load_recording(home / "rec")
    assert record.traces == {}
    assert record.samples == len(np.load(home / "traces" / "latents.counts.npy", mmap_mode="r"))


def test_the_present_folder_as_record(home, call, monkeypatch):
    first = call("simulate", "--record", home / "rec")
    monkeypatch.chdir(home / "rec")
    assert "exists" in call("simulate", "--record", ".")
    again = call("simulate", "--record", ".", "--force")
    monkeypatch.chdir(home)
    assert again["counts_sha256"] == first["counts_sha256"]
    assert sorted(path.name for path in home.iterdir()) == ["images.npy", "net", "rec"]


def test_views_are_written_whole_or_not_at_all(home, call, monkeypatch):
    views = home / "views"
    assert call("energy", "--views", views)["views"] == str(views)
    before = {path.name: path.read_bytes() for path in views.iterdir()}
    assert before.keys() == {"latents.csv", "neurons.csv", "samples.csv"}

    def fail(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", fail)
    assert main(["energy", str(home / "net"), "--data", str(home / "images.npy"), "--views", str(views), "--force"])
    assert {path.name: path.read_bytes() for path in views.iterdir()} == before
