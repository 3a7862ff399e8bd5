"""A Dask cluster of two workers that loses one gives the same table; without Dask the error says what to install."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from spiking_pvae.errors import InputError
from spiking_pvae.sweep.engine import run_sweep
from spiking_pvae.sweep.grid import points
from spiking_pvae.sweep.results import TABLE

HERE = Path(__file__).parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
    "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
}


def test_without_dask_the_error_names_the_extra(images, grid, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"spiking-pvae\[dask\]"):
        run_sweep(grid, images, tmp_path, scheduler="tcp://127.0.0.1:1")


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers as processes; the address and the workers."""
    file = tmp_path / "scheduler.json"
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1"]
    common = {"env": ENVIRONMENT, "cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
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
