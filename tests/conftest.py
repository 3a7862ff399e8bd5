"""One thread a worker, and no deadline for hypothesis: a first call may compile or read files. A Dask cluster."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

# Before numpy and torch start their thread pools: the tests run in as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.load_profile("default")

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers as processes; the address and the workers."""
    file = tmp_path / "scheduler.json"
    common = {
        "env": {**os.environ, "PYTHONPATH": str(ROOT)},
        "cwd": tmp_path,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
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
