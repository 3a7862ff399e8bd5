"""Simulations in parts: interrupted and gone on with, repeated, on a cluster; the result is that of one go."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import networks
import numpy as np
import pytest

from spiking_pvae.deploy.simulate import Repeated, simulate
from spiking_pvae.errors import DamagedFileError, InputError

ROOT = Path(__file__).parents[2]


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


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers as processes."""
    file = tmp_path / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    common = {"env": environment, "cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = subprocess.Popen([*start, "--port", "0", "--scheduler-file", str(file)], **common)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--no-dashboard"]
    workers = [subprocess.Popen([*worker, "--no-nanny", "--nthreads", "1"], **common) for _ in range(2)]
    while not (file.is_file() and file.stat().st_size):
        assert scheduler.poll() is None
        time.sleep(0.1)
    yield json.loads(file.read_text())["address"], workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:.*large object.*:UserWarning")
def test_a_cluster_that_loses_a_worker_gives_the_same_record(cluster):
    address, workers = cluster
    network = networks.random_network(3, hidden=(5,))
    images = networks.random_images(1, 4000, scale=2.0)

    def lose_a_worker(done, total):
        if workers[0].poll() is None and done >= 400:
            workers[0].send_signal(signal.SIGKILL)

    options = {"seed": 4, "batch": 100, "keep": ("latents",)}
    record = simulate(network, images, scheduler=address, report=lose_a_worker, **options)
    assert workers[0].wait() == -signal.SIGKILL
    assert_same(record, simulate(network, images, **options))
