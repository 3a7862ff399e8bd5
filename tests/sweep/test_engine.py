"""A sweep ends with the same table however it is interrupted, and keeps its failures."""

import dataclasses
import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from needs import needed

from spiking_pvae.checkpoint import load_run
from spiking_pvae.errors import InputError
from spiking_pvae.sweep import reach as reaching
from spiking_pvae.sweep.engine import prepare_sweep, run_sweep
from spiking_pvae.sweep.grid import curves, points
from spiking_pvae.sweep.job import Job
from spiking_pvae.sweep.results import TABLE, collect, load_outcome, read_table, write_table


@pytest.fixture(scope="module")
def unbroken(images, grid, tmp_path_factory):
    """The sweep, followed in this process."""
    job = Job(config=grid, dataset=images, out=tmp_path_factory.mktemp("unbroken"))
    prepare_sweep(job)
    for curve in curves(grid):
        reaching.follow(curve, job)
    write_table(job.out, collect(job.out, grid))
    return job


def test_the_table_has_a_row_a_point_in_the_order_of_the_grid(unbroken, grid):
    rows = read_table(unbroken.out / TABLE)
    assert [(r["latents"], r["beta"], r["start"]) for r in rows] == [(p.latents, p.beta, p.start) for p in points(grid)]
    assert all(row["status"] == "done" and row["joules"] > 0 for row in rows)


def test_parquet_says_the_same_as_csv(unbroken):
    needed(find_spec("pyarrow") is not None, "pyarrow", "pip install pyarrow")
    from pyarrow import parquet

    assert parquet.read_table(unbroken.out / "results.parquet").to_pylist() == read_table(unbroken.out / TABLE)


def test_a_continued_point_starts_from_the_one_before(unbroken, grid):
    first, second = curves(grid)[0][:2]
    model = load_run(unbroken.folder(first)).model
    again = reaching.train_point(
        dataclasses.replace(second, seed=0),
        dataclasses.replace(unbroken, out=unbroken.out / "again"),
        unbroken.folder(first),
    )
    kept = load_run(unbroken.folder(second)).model
    assert all((again.state_dict()[key] == value).all() for key, value in kept.state_dict().items())
    assert any((model.state_dict()[key] != value).any() for key, value in kept.state_dict().items())


def test_stopping_anywhere_and_going_on_gives_the_same_table(unbroken, images, grid, tmp_path, monkeypatch):
    job = dataclasses.replace(unbroken, out=tmp_path)
    prepare_sweep(job)
    original, stops = reaching.save_outcome, iter([2, 1, 3, 99])

    class Killed(BaseException):
        pass

    left = next(stops)

    def save(folder, outcome):
        nonlocal left
        if left == 0:
            left = next(stops)
            raise Killed
        left -= 1
        original(folder, outcome)

    monkeypatch.setattr(reaching, "save_outcome", save)
    for curve in curves(grid):
        while job.unfinished(curve):
            try:
                reaching.follow(curve, job)
            except Killed:
                continue
    write_table(job.out, collect(job.out, grid))
    assert (job.out / TABLE).read_bytes() == (unbroken.out / TABLE).read_bytes()


def test_a_failed_point_is_kept_with_its_reason_and_the_rest_goes_on(images, grid, tmp_path, monkeypatch):
    job = Job(config=grid, dataset=images, out=tmp_path)
    prepare_sweep(job)
    measure = reaching.measure

    def fails(model, *rest):
        if model.config.beta == 1.0:
            raise MemoryError("no room")
        return measure(model, *rest)

    monkeypatch.setattr(reaching, "measure", fails)
    curve = next(curve for curve in curves(grid) if len(curve) == 3)
    outcomes = reaching.follow(curve, job)
    assert [outcome.reason for outcome in outcomes] == ["", "MemoryError: no room", ""]
    write_table(job.out, outcomes)
    row = read_table(job.out / TABLE)[1]
    assert (row["status"], row["reason"], row["mse"]) == ("failed", "MemoryError: no room", None)

    monkeypatch.setattr(reaching, "measure", measure)
    prepare_sweep(job, retry=True)
    assert job.unfinished(curve) == 1
    assert all(outcome.done for outcome in reaching.follow(curve, job))


def test_another_sweep_does_not_go_on_in_the_same_folder(unbroken, images, grid):
    other = dataclasses.replace(grid, betas=(0.1, 1.0))
    with pytest.raises(InputError, match="other settings"):
        prepare_sweep(dataclasses.replace(unbroken, config=other))


SCRIPT = """
import sys
from pathlib import Path
from tiny import tiny_grid, tiny_images
from spiking_pvae.sweep.engine import run_sweep
if __name__ == "__main__":
    run_sweep(tiny_grid(), tiny_images(), Path(sys.argv[1]), workers=2)
"""
HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}


def _free(lock):
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.slow
def test_a_killed_sweep_leaves_nobody_behind_and_goes_on(unbroken, images, grid, tmp_path):
    script = tmp_path / "script.py"
    out = tmp_path / "out"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(out)]
    process = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)
    while not list(out.glob("points/*/*/point.json")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10  # children look for their parent five times a second
    for lock in out.glob("points/*/.lock"):
        while not _free(lock):
            assert time.monotonic() < deadline, f"somebody still works in {lock.parent}"
            time.sleep(0.1)
    result = run_sweep(grid, images, out, workers=2)
    assert result.done == len(points(grid))
    assert (out / TABLE).read_bytes() == (unbroken.out / TABLE).read_bytes()


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(unbroken, images, grid, tmp_path):
    script, out = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    rng = random.Random(8)
    kills = 0
    while kills < 3:
        started = {path: path.stat().st_mtime_ns for path in out.glob("points/*/.lock")}
        process = subprocess.Popen([sys.executable, str(script), str(out)], env=ENVIRONMENT, start_new_session=True)
        while process.poll() is None and started == {
            path: path.stat().st_mtime_ns for path in out.glob("points/*/.lock")
        }:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1.5))  # a point takes about half a second
        if process.poll() is not None:
            break  # it was faster than the next kill
        os.killpg(process.pid, signal.SIGKILL)  # with its children, whatever they are writing
        process.wait()
        kills += 1
    assert kills >= 2
    result = run_sweep(grid, images, out, workers=2)
    assert result.done == len(points(grid))
    assert (out / TABLE).read_bytes() == (unbroken.out / TABLE).read_bytes()
    assert not list(out.glob("points/*/*/checkpoint.safetensors"))


def _die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_point_whose_process_dies_is_given_up_after_two_attempts(images, grid, tmp_path, monkeypatch):
    from spiking_pvae.sweep import local

    monkeypatch.setattr(local, "_work", _die)
    job = Job(config=grid, dataset=images, out=tmp_path)
    prepare_sweep(job)
    (point,) = curve = next(curve for curve in curves(grid) if len(curve) == 1)
    local.run_local([curve], job, 1, lambda: None)
    assert "signal 9, 2 times" in load_outcome(job.folder(point)).reason
