"""Curves as tasks of a Dask cluster, whose workers share the sweep's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from spiking_pvae.dask_client import connect
from spiking_pvae.storage import load_arrays, save_arrays
from spiking_pvae.sweep.grid import Curve, SweepConfig
from spiking_pvae.sweep.job import Job
from spiking_pvae.types import Dataset, ImageSet

CONNECT_S = 20
POLL_S = 0.5
IMAGES_FILE = "images.safetensors"
IMAGES_KIND = "spiking-pvae images 1"


def run_cluster(curves: Sequence[Curve], job: Job, address: str, report: Callable[[], None]) -> None:
    """Follow every curve as a task; a task whose worker is lost goes on elsewhere from its last checkpoint.

    Parameters
    ----------
    curves : sequence of Curve
    job : Job
        Its folder is on a file system that all workers see under this path; the images travel through it, for what a
        client scatters is lost with a worker.
    address : str
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    report : callable
        Called a few times a second.

    Raises
    ------
    InputError
        Dask is not installed, or no scheduler answers.
    """
    client = connect(address, CONNECT_S)
    from spiking_pvae.sweep.reach import give_up

    save_images(job)
    with client:
        todo = [curve for curve in curves if job.unfinished(curve)]
        tasks = {client.submit(_follow, curve, job.config, job.out, pure=False): curve for curve in todo}
        pending = set(tasks)
        while pending:
            time.sleep(POLL_S)
            done = {task for task in pending if task.done()}
            pending -= done
            for task in done:
                why = "cancelled" if task.cancelled() else repr(task.exception())
                while job.unfinished(tasks[task]):
                    give_up(tasks[task], job, f"on the cluster: {why}")
            report()
    (job.out / IMAGES_FILE).unlink()


def save_images(job: Job) -> None:
    """Store the data set in the sweep's folder, for its workers."""
    data = job.dataset
    save_arrays(
        job.out / IMAGES_FILE,
        {"train": data.train.images, "validation": data.validation.images},
        kind=IMAGES_KIND,
        metadata={"name": data.name, "augment": data.augment, "fingerprint": data.fingerprint},
    )


@lru_cache(maxsize=1)
def load_images(out: Path) -> Dataset:
    """Read the data set that `save_images` stored; once a worker."""
    arrays, about = load_arrays(out / IMAGES_FILE, kind=IMAGES_KIND)
    return Dataset(
        name=about["name"],
        train=ImageSet(images=arrays["train"]),
        validation=ImageSet(images=arrays["validation"]),
        augment="dihedral" if about["augment"] == "dihedral" else "none",
        fingerprint=about["fingerprint"],
    )


def _follow(curve: Curve, config: SweepConfig, out: Path) -> None:
    """Follow a curve on a worker."""
    from spiking_pvae.sweep.reach import follow

    follow(curve, Job(config=config, dataset=load_images(out), out=out))
