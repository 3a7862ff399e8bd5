"""A Dask cluster of two workers that loses one gives the same table; without Dask the error says what to install."""

import signal
import sys
import threading
import time
from dataclasses import replace

import pytest

from spiking_pvae.errors import InputError
from spiking_pvae.sweep import cluster as cluster_of
from spiking_pvae.sweep import reach
from spiking_pvae.sweep.engine import run_sweep
from spiking_pvae.sweep.grid import curves, points
from spiking_pvae.sweep.job import Job
from spiking_pvae.sweep.results import TABLE
from spiking_pvae.types import ImageSet


def test_without_dask_the_error_names_the_extra(images, grid, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"spiking-pvae\[dask\]"):
        run_sweep(grid, images, tmp_path, scheduler="tcp://127.0.0.1:1")


class Task:
    """A task that a client ran at once."""

    def __init__(self, work, *arguments):
        self.error = None
        try:
            work(*arguments)
        except Exception as error:
            self.error = error

    def done(self):
        return True

    def cancelled(self):
        return False

    def exception(self):
        return self.error


class Here:
    """A client whose one worker is this process, which therefore outlives every sweep."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def submit(self, work, *arguments, pure):
        return Task(work, *arguments)


@pytest.fixture
def heard(monkeypatch):
    """The data sets that the worker in this process was given."""
    jobs = []
    monkeypatch.setattr(cluster_of, "connect", lambda *_: Here())
    monkeypatch.setattr(cluster_of, "POLL_S", 0)
    monkeypatch.setattr(reach, "follow", lambda _, job: jobs.append(job.dataset))
    return jobs


def test_a_worker_that_outlives_a_sweep_trains_the_next_on_its_own_images(images, grid, tmp_path, heard):
    other = replace(images, train=ImageSet(images=-images.train.images), fingerprint="made 2")
    for data, curve in zip((images, other), curves(grid), strict=False):
        cluster_of.run_cluster([curve], Job(config=grid, dataset=data, out=tmp_path), "tcp://here", lambda: None)
    assert [data.fingerprint for data in heard] == ["made 1", "made 2"]
    assert (heard[1].train.images == other.train.images).all()
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_stopped_call_takes_its_images_along_and_leaves_those_of_another(images, grid, tmp_path, heard):
    job = Job(config=grid, dataset=images, out=tmp_path)

    def stop():
        (mine,) = tmp_path.glob("*.safetensors")
        with pytest.raises(ZeroDivisionError):
            cluster_of.run_cluster(curves(grid)[1:2], job, "tcp://here", lambda: 1 / 0)
        assert mine.is_file()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster_of.run_cluster(curves(grid)[:1], job, "tcp://here", stop)
    assert not list(tmp_path.glob("*.safetensors"))


def test_images_with_another_fingerprint_are_refused(images, tmp_path):
    cluster_of.save_images(images, tmp_path / "images")
    with pytest.raises(InputError, match=r"made 1.*made 2"):
        cluster_of.load_images(tmp_path / "images", "made 2")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:.*large object.*:UserWarning")
def test_a_lost_worker_loses_nothing(images, grid, tmp_path, cluster):
    address, workers = cluster
    out = tmp_path / "out"

    def kill_one():
        while not list(out.glob("points/*/*/point.json")):
            time.sleep(0.01)
        workers[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    result = run_sweep(grid, images, out, scheduler=address)
    killer.join()
    assert workers[0].wait() == -signal.SIGKILL
    assert result.done == len(points(grid))
    alone = run_sweep(grid, images, tmp_path / "alone", workers=2)
    assert (out / TABLE).read_bytes() == (alone.out / TABLE).read_bytes()
