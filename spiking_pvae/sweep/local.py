"""Curves as processes of this machine, a few at a time."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess

from spiking_pvae.sweep.grid import Curve
from spiking_pvae.sweep.job import Job

POLL_S = 0.2
ATTEMPTS = 2
"""A point whose process is killed (out of memory, by hand) is tried this often before it counts as failed."""


def _leave_with(parent: int) -> None:
    """End this process as soon as its parent is gone: a killed sweep must leave nobody behind."""
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os._exit(1)


def _work(curve: Curve, job: Job, parent: int) -> None:
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    from spiking_pvae.sweep.reach import follow

    follow(curve, job)


def run_local(curves: Sequence[Curve], job: Job, workers: int, report: Callable[[], None]) -> None:
    """Follow every curve in a process of its own, `workers` of them at a time.

    Parameters
    ----------
    curves : sequence of Curve
        In the order in which they are started.
    job : Job
    workers : int
        Processes at a time.
    report : callable
        Called a few times a second.
    """
    context = multiprocessing.get_context("spawn")
    waiting = [curve for curve in curves if job.unfinished(curve)]
    attempts: dict[Curve, tuple[int, int]] = {}
    running: list[tuple[Curve, BaseProcess]] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                curve = waiting.pop(0)
                process = context.Process(target=_work, args=(curve, job, os.getpid()), daemon=True)
                process.start()
                running.append((curve, process))
            time.sleep(POLL_S)
            for curve, ended in [pair for pair in running if not pair[1].is_alive()]:
                running.remove((curve, ended))
                if left := job.unfinished(curve):
                    _lost(curve, left, ended.exitcode, attempts, job)
                    waiting.insert(0, curve)
            report()
    finally:
        for _, left_over in running:
            left_over.terminate()
        for _, left_over in running:
            left_over.join()


def _lost(curve: Curve, left: int, code: int | None, attempts: dict[Curve, tuple[int, int]], job: Job) -> None:
    """Count the attempts at the point at which a curve's process ended, and give the point up after the last."""
    from spiking_pvae.sweep.reach import give_up

    tried = attempts[curve][1] + 1 if curve in attempts and attempts[curve][0] == left else 1
    attempts[curve] = (left, tried)
    if tried >= ATTEMPTS:
        signal = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        give_up(curve, job, f"its process ended with {signal}, {tried} times; out of memory?")
