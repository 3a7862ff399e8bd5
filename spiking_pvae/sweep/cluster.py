"""Curves as tasks of a Dask cluster, whose workers share the sweep's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from spiking_pvae.dask_client import connect
from spiking_pvae.errors import InputError
from spiking_pvae.storage import load_arrays, save_arrays
from spiking_pvae.sweep.grid import Curve, SweepConfig
from spiking_pvae.sweep.job import Job
from spiking_pvae.types import Dataset, ImageSet

CONNECT_S = 20
POLL_S = 0.5
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

    data = job.dataset
    images = job.out / f"images-{uuid4().hex}.safetensors"  # of this call alone: two may work on one folder
    try:
        with client:
            save_images(data, images)
            todo = [curve for curve in curves if job.unfinished(curve)]
            tasks = {
                client.submit(_follow, curve, job.config, job.out, images, data.fingerprint, pure=False): curve
                for curve in todo
            }
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
    finally:
        images.unlink(missing_ok=True)


def save_images(data: Dataset, path: Path) -> None:
    """Store a data set for the workers."""
    save_arrays(
        path,
        {"train": data.train.images, "validation": data.validation.images},
        kind=IMAGES_KIND,
        metadata={"name": data.name, "augment": data.augment, "fingerprint": data.fingerprint},
    )


@lru_cache(maxsize=1)
def load_images(path: Path, fingerprint: str) -> Dataset:
    """Read the data set that `save_images` stored; once a worker and call.

    Parameters
    ----------
    path : Path
    fingerprint : str
        Of the data set that is meant: a worker outlives a sweep, and the next one may come with other images.

    Raises
    ------
    InputError
        The file holds another data set, or is gone.
    """
    arrays, about = load_arrays(path, kind=IMAGES_KIND)
    if about["fingerprint"] != fingerprint:
        raise InputError(
            "images of the sweep",
            given=f"{path} with the fingerprint {about['fingerprint']}",
            allowed=f"those with the fingerprint {fingerprint}",
        )
    return Dataset(
        name=about["name"],
        train=ImageSet(images=arrays["train"]),
        validation=ImageSet(images=arrays["validation"]),
        augment="dihedral" if about["augment"] == "dihedral" else "none",
        fingerprint=about["fingerprint"],
    )


def _follow(curve: Curve, config: SweepConfig, out: Path, images: Path, fingerprint: str) -> None:
    """Follow a curve on a worker."""
    from spiking_pvae.sweep.reach import follow

    follow(curve, Job(config=config, dataset=load_images(images, fingerprint), out=out))
