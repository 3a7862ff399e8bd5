"""A sweep ends with the same table however it is interrupted, and keeps its failures."""

import dataclasses
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest
from needs import needed

from spiking_pvae.checkpoint import load_run
from spiking_pvae.errors import InputError
from spiking_pvae.storage import read_json
from spiking_pvae.sweep import engine
from spiking_pvae.sweep import reach as reaching
from spiking_pvae.sweep.engine import MANIFEST, prepare_sweep, run_sweep
from spiking_pvae.sweep.grid import curves, points
from spiking_pvae.sweep.job import Job
from spiking_pvae.sweep.results import TABLE, TABLES, collect, load_outcome, read_table, write_table


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
    other = dataclasses.replace(grid, betas=(0.1, 1.0), samples=10)
    names = r"sweep.betas \[0.1, 1.0\] instead of \[0.1, 1.0, 4.0\], sweep.samples 10 instead of 20\)"
    with pytest.raises(InputError, match=names):
        prepare_sweep(dataclasses.replace(unbroken, config=other))
    data = dataclasses.replace(images, fingerprint="made 2")
    with pytest.raises(InputError, match=r"\(data.fingerprint made 2 instead of made 1\)"):
        prepare_sweep(dataclasses.replace(unbroken, dataset=data))


def test_a_stopped_sweep_leaves_the_table_of_what_it_has(unbroken, images, grid, tmp_path, monkeypatch):
    def stop(chains, job, workers, tell):
        folder = job.folder(chains[0][0]).parent
        shutil.copytree(unbroken.out / folder.relative_to(job.out), folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run_local", stop)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(grid, images, tmp_path)
    rows, whole = read_table(tmp_path / TABLE), read_table(unbroken.out / TABLE)
    done = [r for r in rows if r["status"] == "done"]
    assert done
    assert all(r in whole for r in done)
    assert {r["status"] for r in rows[len(done) :]} == {"unfinished"}
    what = ("model", "latents", "beta", "seed", "start")
    assert sorted(str([r[k] for k in what]) for r in rows) == sorted(str([r[k] for k in what]) for r in whole)

    shutil.copytree(unbroken.out / "points", tmp_path / "points", dirs_exist_ok=True)
    monkeypatch.setattr(engine, "run_local", lambda *_: None)
    run_sweep(grid, images, tmp_path)
    assert (tmp_path / TABLE).read_bytes() == (unbroken.out / TABLE).read_bytes()


def test_a_killed_sweep_says_how_it_comes_to_its_table(tmp_path):
    with pytest.raises(InputError, match="goes on with its command, without --force"):
        read_table(tmp_path / TABLE)


def test_starting_anew_leaves_no_point_of_another_grid(unbroken, images, grid, tmp_path):
    shutil.copytree(unbroken.out, tmp_path, dirs_exist_ok=True)
    (tmp_path / "points" / "notes.txt").write_text("mine")
    job = Job(config=dataclasses.replace(grid, latents=(5,), cold_latents=()), dataset=images, out=tmp_path)
    prepare_sweep(job, force=True)
    assert [path.name for path in (tmp_path / "points").iterdir()] == ["notes.txt"]
    assert not [name for name in TABLES if (tmp_path / name).exists()]


def test_a_file_of_prices_travels_with_the_sweep(images, grid, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    shipped = resources.files("spiking_pvae.energy") / "presets" / "loihi_davies2018.toml"
    Path("mine.toml").write_bytes(shipped.read_bytes())
    config = dataclasses.replace(grid, latents=(4,), betas=(1.0,), cold_latents=(), cold_betas=(), hardware="mine.toml")
    job = Job(config=config, dataset=images, out=tmp_path / "out")
    prepare_sweep(job)
    prepare_sweep(job)
    text = Path("mine.toml").read_text(encoding="utf-8")
    Path("mine.toml").write_text(text.replace("23.6", "47.2"), encoding="utf-8")
    assert Path("mine.toml").read_text(encoding="utf-8") != text
    with pytest.raises(InputError, match=r"\(hardware.sha256 \w{64} instead of \w{64}\)"):
        prepare_sweep(job)
    Path("mine.toml").unlink()
    monkeypatch.chdir(tmp_path)
    job.out.rename(tmp_path / "moved")
    moved = dataclasses.replace(job, out=tmp_path / "moved")
    (outcome,) = reaching.follow(curves(config)[0], moved)
    named = dataclasses.replace(config, hardware="loihi_davies2018")
    again = dataclasses.replace(job, config=named, out=tmp_path / "again")
    prepare_sweep(again)
    (shipped_one,) = reaching.follow(curves(named)[0], again)
    assert outcome.values == {**shipped_one.values, "hardware": "mine"}


def test_the_manifest_of_a_shipped_preset_names_it_alone(unbroken):
    manifest = read_json(unbroken.out / MANIFEST)
    assert sorted(manifest) == ["data", "format", "sweep", "version"]
    assert manifest["sweep"]["hardware"] == "loihi_davies2018"
    assert not (unbroken.out / "hardware").exists()


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
