"""Rasters of whole data sets: spike for spike those of probes, the same bytes however they were computed."""

import json
import subprocess
import sys
from pathlib import Path

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_trained import trained

from spiking_pvae import data
from spiking_pvae.deploy import load_raster, traces
from spiking_pvae.deploy.files import load_recording, save_recording
from spiking_pvae.deploy.probe_plots import draw_raster
from spiking_pvae.deploy.probes import probe
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.errors import DamagedFileError, InputError

LAYERS = ("hidden0", "latents")
SCHEDULES = ["unary", "streaming"]


def bits_of(spikes):
    """Bytes of spikes (steps, samples, neurons), one neuron after the other."""
    steps, samples, neurons = spikes.shape
    packed = np.zeros((samples, steps, -(-neurons // 8)), np.uint8)
    for step, sample, neuron in zip(*spikes.nonzero(), strict=True):
        packed[sample, step, neuron // 8] += 2 ** (neuron % 8)
    return packed


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    hidden=st.integers(1, 19),
    steps=st.integers(1, 12),
    schedule=st.sampled_from(SCHEDULES),
    batch=st.integers(1, 6),
    threads=st.integers(1, 2),
)
def test_every_bit_is_that_of_a_probe(seed, hidden, steps, schedule, batch, threads):
    network = networks.random_network(seed, side=2, hidden=(hidden,), latents=9)
    images = networks.random_images(seed, 5, 2, scale=3.0)
    options = {"seed": 7, "schedule": schedule, "steps": steps, "keep": LAYERS, "rasters": LAYERS}
    for backend in ({"backend_name": "reference"}, {"batch": batch, "threads": threads}):
        record = simulate(network, images, **options, **backend)
        for name in LAYERS:
            raster = record.rasters[name]
            watched = probe(network, images, name, schedule=schedule, steps=steps, seed=7).spikes
            assert raster.packed.tobytes() == bits_of(watched).tobytes()
            assert (raster[1:4] == watched[:, 1:4].swapaxes(0, 1)).all()
            assert raster.shape == (5, steps, watched.shape[2])
            assert (raster[:].sum(1) == record.traces[name].counts).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_files_of_a_trained_network(schedule, tmp_path):
    network = trained("linear")
    images = data.load("digits").validation.images[:50]
    latent = network.latent.name
    options = {"seed": 3, "schedule": schedule, "steps": 10}
    packed = {}
    for threads in (1, 2):
        folder = tmp_path / f"{threads}"
        record = simulate(network, images, traces=folder, rasters=(latent,), threads=threads, batch=17, **options)
        assert record.traces == {}
        packed[threads] = (folder / f"{latent}.spikes.npy").read_bytes()
        assert sorted(path.name for path in folder.iterdir()) == [f"{latent}.spikes.npy", "traces.json"]
    assert packed[1] == packed[2]
    raster = load_raster(tmp_path / "1", latent)
    watched = probe(network, images, latent, **options).spikes
    assert watched.any()
    assert (raster[:] == watched.swapaxes(0, 1)).all()
    draw_raster(raster[10:20], tmp_path / "raster.png", sample=3)
    assert (tmp_path / "raster.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_what_an_interrupted_simulation_did(schedule, tmp_path):
    network = networks.random_network(3, hidden=(5,))
    images = networks.random_images(1, 100, scale=2.0)
    options = {"schedule": schedule, "steps": 5, "batch": 30, "rasters": LAYERS, "traces": tmp_path / "traces"}
    options["parts"] = tmp_path / "parts"
    whole = simulate(network, images, schedule=schedule, steps=5, rasters=LAYERS).rasters

    def stop(done, total):
        if done == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(network, images, report=stop, **options)
    for name in LAYERS:
        found = load_raster(tmp_path / "traces", name)
        assert len(found) == 60
        assert (found.packed == whole[name].packed[:60]).all()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert len(kept) == 2
    simulate(network, images, **options)
    assert all(path.stat().st_mtime_ns == date for path, date in kept.items())
    for name in LAYERS:
        assert (load_raster(tmp_path / "traces", name).packed == whole[name].packed).all()


def test_a_record_holds_rasters_that_were_in_memory(tmp_path):
    network = networks.random_network(3)
    record = simulate(network, networks.random_images(1, 20), schedule="streaming", steps=4, rasters=("latents",))
    save_recording(network, record, tmp_path / "record")
    _, again = load_recording(tmp_path / "record")
    assert again.rasters["latents"].neurons == 6
    assert (again.rasters["latents"].packed == record.rasters["latents"].packed).all()


def test_rasters_that_there_are_not():
    network, images = networks.random_network(3), networks.random_images(1, 3)
    with pytest.raises(InputError, match=r"graded schedule.*counts"):
        simulate(network, images, rasters=("latents",))
    for name in ("readout", "nothing"):
        with pytest.raises(InputError, match=rf"got {name}; allowed: latents"):
            simulate(network, images, schedule="unary", rasters=("latents", name))


def test_a_full_disk_is_seen_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(traces.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10**6}))
    network, images = networks.random_network(3), networks.random_images(1, 100)
    options = {"schedule": "streaming", "rasters": ("latents",), "traces": tmp_path}
    with pytest.raises(InputError, match=r"0\.001 GB, which the disk has free"):
        simulate(network, images, steps=20_000, report=lambda *_: pytest.fail("ran"), **options)
    simulate(network, images, steps=2, **options)


def test_files_that_are_not_rasters(tmp_path):
    network, images = networks.random_network(3), networks.random_images(1, 5)
    simulate(network, images, schedule="unary", steps=3, rasters=("latents",), traces=tmp_path)
    with pytest.raises(InputError, match="got 'readout'; allowed: latents"):
        load_raster(tmp_path, "readout")
    file, manifest = tmp_path / "latents.spikes.npy", tmp_path / "traces.json"
    whole, about = file.read_bytes(), json.loads(manifest.read_text())
    for broken in (whole[:-1], whole[:20], b"nothing"):
        file.write_bytes(broken)
        with pytest.raises(DamagedFileError):
            load_raster(tmp_path, "latents")
    file.write_bytes(whole)
    for change in (
        {"format": "spiking-pvae traces 9"},
        {"steps": 4},
        {"samples": 6},
        {"neurons": {"latents": 9}},
        {"neurons": {}},
    ):
        manifest.write_text(json.dumps(about | change))
        with pytest.raises(DamagedFileError):
            load_raster(tmp_path, "latents")
    with pytest.raises(InputError, match=r"no file .*traces\.json"):
        load_raster(tmp_path / "elsewhere", "latents")


CODE = """
import sys
import networks
from spiking_pvae.deploy.simulate import Repeated, simulate

def held(key):  # bytes
    with open("/proc/self/status") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith(key))

network = networks.random_network(3, side=2, latents=512)
images = networks.random_images(1, 100, 2)
options = {"schedule": "unary", "steps": 64, "rasters": ("latents",), "threads": 1}
simulate(network, images, **options)
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts anew
before = held("VmRSS")
simulate(network, Repeated(images, 400), traces=sys.argv[1], **options)
print(held("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_rasters_on_disk_take_no_memory(tmp_path):
    """A raster of 164 MB; a record of 40,000 samples sums 2,000 blocks of 512 latents in four arrays: 33 MB."""
    code = CODE.replace("sys.argv[1]", "Path(sys.argv[1])").replace(
        "import sys", "import sys\nfrom pathlib import Path"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "traces")]
    here = {"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=here)
    size = (tmp_path / "traces" / "latents.spikes.npy").stat().st_size
    assert size > 160e6
    assert int(done.stdout) < 0.7 * size
