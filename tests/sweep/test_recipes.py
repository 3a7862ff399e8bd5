"""The recipes of docs/howto/cluster.md: the job script for SLURM, and a sweep on workers that SSH started."""

import dataclasses
import os
import re
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from needs import needed

from spiking_pvae.sweep.engine import prepare_sweep, run_sweep
from spiking_pvae.sweep.grid import curves, points
from spiking_pvae.sweep.job import Job
from spiking_pvae.sweep.reach import follow
from spiking_pvae.sweep.results import TABLE, collect, write_table

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "howto" / "cluster.md").read_text(encoding="utf-8")
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def recipe(name):
    """The Python block of the page that uses a class of clusters."""
    return next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if name in block)


@pytest.mark.filterwarnings("ignore")  # of dask and its server, which a script of the user would not see either
def test_the_documented_slurm_cluster_asks_for_workers_of_one_thread(monkeypatch):
    needed(find_spec("dask_jobqueue") is not None, "dask-jobqueue", "pip install dask-jobqueue")
    code = recipe("SLURMCluster").partition("cluster.scale")[0]
    made = {}
    exec(code.replace("SLURMCluster(\n", "SLURMCluster(\n    scheduler_options={'host': '127.0.0.1'},\n"), made)
    try:
        script = made["cluster"].job_script()
    finally:
        made["cluster"].close()
    assert "#SBATCH -p normal" in script
    assert "#SBATCH -t 02:00:00" in script
    assert "#SBATCH --cpus-per-task=8" in script
    assert re.search(r"dask_worker tcp://127\.0\.0\.1:\d+ .*--nthreads 1 .*--nworkers 8", script)


@pytest.fixture
def ssh(tmp_path):
    """An SSH server of one's own on this machine: the options that connect to it."""
    needed(os.access(SSHD, os.X_OK), "an SSH server", "apt-get install openssh-server")
    needed(find_spec("asyncssh") is not None, "asyncssh", "pip install asyncssh")
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / key], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\n"
        f"PidFile {tmp_path}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([SSHD, "-D", "-f", tmp_path / "config"], stderr=subprocess.DEVNULL)
    yield {"port": port, "client_keys": [str(tmp_path / "user")], "known_hosts": None}
    server.terminate()
    server.wait()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:.*large object.*:UserWarning")
def test_a_sweep_on_workers_that_ssh_started(images, grid, tmp_path, ssh):
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    code = recipe("SSHCluster").replace('["node1", "node1", "node2", "node3"]', '["127.0.0.1"] * 3')
    assert "127.0.0.1" in code
    python = f"env PYTHONPATH={paths} {sys.executable}"
    given = f"connect_options={ssh!r}, remote_python={python!r}, worker_options="
    script = tmp_path / "cluster.py"
    script.write_text(code.replace("worker_options=", given))
    cluster = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = cluster.stdout.readline().strip()
        assert address.startswith("tcp://")
        small = dataclasses.replace(grid, models=("poisson",), cold_latents=(), cold_betas=())
        result = run_sweep(small, images, tmp_path / "out", scheduler=address)
        assert result.done == len(points(small)) == 6
        job = Job(config=small, dataset=images, out=tmp_path / "alone")
        prepare_sweep(job)
        for curve in curves(small):
            follow(curve, job)
        write_table(job.out, collect(job.out, small))
        assert (result.out / TABLE).read_bytes() == (job.out / TABLE).read_bytes()
    finally:
        cluster.communicate("\n", timeout=60)
