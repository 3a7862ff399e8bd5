"""Simulations in parts: interrupted and gone on with, repeated, on a cluster; the result is that of one go."""

import signal
import sys

import networks
import numpy as np
import pytest

from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, InputPort, Layer, Network, Readout
from spiking_pvae.deploy.parts import Plan, fingerprint, remove_parts, require_parts_only
from spiking_pvae.deploy.simulate import Repeated, simulate
from spiking_pvae.errors import DamagedFileError, InputError


def assert_same(ours, theirs):
    assert ours.counts_sha256 == theirs.counts_sha256
    assert (ours.block_samples == theirs.block_samples).all()
    for one, other in zip(ours.tallies, theirs.tallies, strict=True):
        assert (one.spikes == other.spikes).all()
        assert (one.events == other.events).all()
        assert (one.active == other.active).all()
    assert (ours.latent.rate == theirs.latent.rate).all()
    assert (ours.latent.kl == theirs.latent.kl).all()
    assert ours.traces.keys() == theirs.traces.keys()
    for name, trace in ours.traces.items():
        assert (trace.counts == theirs.traces[name].counts).all()
        assert (trace.charge == theirs.traces[name].charge).all()
    assert ours.rasters.keys() == theirs.rasters.keys()
    for name, raster in ours.rasters.items():
        assert (raster.packed == theirs.rasters[name].packed).all()


def stop_after(samples):
    def report(done, total):
        if done >= samples:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("schedule", ["graded", "unary"])
def test_an_interrupted_simulation_goes_on(tmp_path, schedule):
    network = networks.random_network(3, hidden=(5,))
    images = networks.random_images(1, 300, scale=2.0)
    options = {"seed": 4, "schedule": schedule, "steps": 3, "keep": ("latents",), "batch": 50}
    whole = simulate(network, images, **options)
    with pytest.raises(KeyboardInterrupt):
        simulate(network, images, parts=tmp_path / "parts", report=stop_after(150), **options)
    kept = sorted((tmp_path / "parts").iterdir())
    assert len(kept) == 3
    dates = [path.stat().st_mtime_ns for path in kept]
    assert_same(simulate(network, images, parts=tmp_path / "parts", **options), whole)
    assert [path.stat().st_mtime_ns for path in kept] == dates  # not run again
    other = simulate(network, images, parts=tmp_path / "parts", **{**options, "seed": 5})
    assert_same(other, simulate(network, images, **{**options, "seed": 5}))
    kept[1].write_bytes(kept[1].read_bytes()[:-3])
    with pytest.raises(DamagedFileError):
        simulate(network, images, parts=tmp_path / "parts", **{**options, "seed": 5})


def test_parts_of_another_geometry_or_version_are_not_taken(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    port = InputPort(shape=(2, 6, 6), bits=8, signed=True, scale=0.05)
    weight = rng.integers(-127, 128, (2, 2, 3, 3)).astype(np.int8)
    square = {"padding": (1, 1), "input_shape": port.shape}
    rest = (
        networks.dense_layer("latents", rng, 72, networks.poisson_neuron(rng, 5), 5),
        networks.dense_layer("readout", rng, 5, Readout(), port.neurons),
    )

    def network(**geometry):
        synapse = Conv2d(exponent=0, bits=8, **{"weight": weight, **square, **geometry})
        neuron = ConstantThreshold(mantissa=np.full(72, 20, np.int32), n_max=255)
        first = Layer(name="first", shape=(2, 6, 6), synapse=synapse, bias=None, neuron=neuron, scale=np.ones(72))
        return Network(input=port, layers=(first, *rest), beta=1.0)

    images = rng.normal(0, 2, (20, *port.shape)).astype(np.float32)
    kept = simulate(network(), images, parts=tmp_path)
    wider = network(dilation=(2, 2), padding=(2, 2))
    assert_same(simulate(wider, images, parts=tmp_path), simulate(wider, images))
    assert_same(simulate(network(), images, parts=tmp_path), kept)

    plan = Plan(seed=0, schedule="graded", steps=1, block=1)
    halves = {"weight": weight.reshape(2, 1, 6, 3), "padding": (5, 1), "dilation": (2, 1), "groups": 2}
    prints = [fingerprint(other, images, plan) for other in (network(), network(), wider, network(**halves))]
    prints.append(fingerprint(network(), images.reshape(2, 10, *port.shape), plan))
    monkeypatch.setattr("spiking_pvae.deploy.parts.__version__", "0.0.0")
    prints.append(fingerprint(network(), images, plan))
    assert prints[0] == prints[1]
    assert len(set(prints)) == 5


def test_only_parts_are_removed(tmp_path):
    folder = tmp_path / "parts"
    remove_parts(folder)
    require_parts_only(folder)
    simulate(networks.random_network(3), networks.random_images(1, 60), batch=20, parts=folder)
    (folder / f".{next(folder.iterdir()).name}.a_b1c2d3").touch()  # of a process killed while it wrote
    require_parts_only(folder)
    (folder / "1-2.safetensors").touch()
    with pytest.raises(InputError, match=r"1-2\.safetensors"):
        require_parts_only(folder)
    remove_parts(folder)
    assert [path.name for path in folder.iterdir()] == ["1-2.safetensors"]
    with pytest.raises(InputError, match="a file"):
        require_parts_only(folder / "1-2.safetensors")


def test_repeated_images_equal_copies():
    network = networks.random_network(3)
    images = networks.random_images(1, 70, scale=2.0)
    copies = simulate(network, np.concatenate([images] * 40), seed=1)
    assert_same(simulate(network, Repeated(images, 40), seed=1, batch=64), copies)
    assert Repeated(images, 40).shape == (2800, 1, 4, 4)


def test_without_dask_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"spiking-pvae\[dask\]"):
        simulate(networks.random_network(3), networks.random_images(1, 3), scheduler="tcp://127.0.0.1:1")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_that_loses_a_worker_gives_the_same_record(cluster):
    address, workers = cluster
    network = networks.random_network(3, hidden=(5,))
    images = networks.random_images(1, 4000, scale=2.0)

    def lose_a_worker(done, total):
        if workers[0].poll() is None and done >= 400:
            workers[0].send_signal(signal.SIGKILL)

    options = {
        "seed": 4,
        "batch": 100,
        "keep": ("latents",),
        "schedule": "streaming",
        "steps": 5,
        "rasters": ("hidden0",),
    }
    record = simulate(network, images, scheduler=address, report=lose_a_worker, **options)
    assert workers[0].wait() == -signal.SIGKILL
    assert_same(record, simulate(network, images, **options))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_goes_on_where_it_was_interrupted(cluster, tmp_path):
    address, _ = cluster
    network = networks.random_network(3, hidden=(5,))
    images = networks.random_images(1, 1000, scale=2.0)
    options = {"seed": 4, "batch": 100, "keep": ("latents",), "parts": tmp_path / "parts"}
    with pytest.raises(KeyboardInterrupt):
        simulate(network, images, scheduler=address, report=stop_after(500), **options)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert len(kept) == 5
    sorted(kept)[2].unlink()  # a hole in the middle is filled
    record = simulate(network, images, scheduler=address, **options)
    assert len(list((tmp_path / "parts").iterdir())) == 10
    assert all(path.stat().st_mtime_ns == date for path, date in kept.items() if path != sorted(kept)[2])
    assert_same(record, simulate(network, images, **{**options, "parts": None}))
