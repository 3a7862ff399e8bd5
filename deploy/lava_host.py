"""Running Lava: in an interpreter that has it, in a process group of its own, with a time limit.

Lava wants another Python and another numpy than this package, starts one operating-system process for each of its
processes, and leaves them behind when it is killed. So it runs in a subprocess, by default in the interpreter of this
one; the environment variable `INTERPRETER` names another.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import BackendError, InputError

INTERPRETER = "SPIKING_PVAE_LAVA_PYTHON"
INSTALL = (
    "python -m venv lava-env && lava-env/bin/pip install h5py scipy 'networkx<=2.8.7' asteval 'numpy>=2,<2.4' && "
    "lava-env/bin/pip install --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0 && "
    f"export {INTERPRETER}=$PWD/lava-env/bin/python"
)
TIME_LIMIT_S = 300.0
GRACE_S = 3.0
"""Between asking a process group to end and ending it."""


def interpreter() -> Path | None:
    """Return the Python that runs Lava, or None.

    Raises
    ------
    InputError
        The environment variable names no file.
    """
    named = os.environ.get(INTERPRETER)
    if named:
        if not Path(named).is_file():
            raise InputError(INTERPRETER, given=named, allowed="the path of a Python interpreter that has Lava")
        return Path(named)
    return Path(sys.executable) if find_spec("lava") is not None else None


def lava_version(*distributions: str) -> str | None:
    """Return the versions of Lava's distributions in the interpreter that runs it, or None where one is missing."""
    python = interpreter()
    return None if python is None else _version_in(python, distributions)


@cache
def _version_in(python: Path, distributions: Sequence[str]) -> str | None:
    program = "import sys; from importlib.metadata import version; print(*(f'{n} {version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run(
        [str(python), "-c", program, *distributions], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def end_group(leader: int) -> None:
    """End every process of a group: first asked, so that shared memory is freed, then forced."""
    try:
        os.killpg(leader, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline:
            os.killpg(leader, 0)
            time.sleep(0.05)
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def run_in_group(command: Sequence[str], *, time_limit_s: float, log: Path) -> int | None:
    """Run a command in a process group of its own; whatever happens, the group has ended when this returns.

    Parameters
    ----------
    command : sequence of str
    time_limit_s : float
    log : Path
        Receives both output streams. Not a pipe, which a process left behind would hold open.

    Returns
    -------
    int or None
        Exit code, or None where the time limit ended it.
    """
    # Its arithmetic is small: more threads only get in each other's way.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
        try:
            return process.wait(time_limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            end_group(process.pid)
            process.wait()


def run_program(
    program: Path, folder: Path, job: Mapping[str, Any], *, time_limit_s: float = TIME_LIMIT_S
) -> dict[str, NDArray[Any]]:
    """Run a program of the Lava side on an export folder.

    Parameters
    ----------
    program : Path
        Takes the export folder and a job folder; reads ``job.npz`` there and writes ``result.npz``.
    folder : Path
    job : mapping of str to array or number
    time_limit_s : float

    Returns
    -------
    dict of str to ndarray
        The result.

    Raises
    ------
    InputError
        No interpreter has Lava.
    BackendError
        The program failed or took too long; says what it printed last.
    """
    python = interpreter()
    if python is None:
        raise InputError("Lava", given="no interpreter that has it", allowed="Lava 0.10.0", remedy=INSTALL)
    with tempfile.TemporaryDirectory(prefix="spiking-pvae-lava-") as name:
        where = Path(name)
        arrays: dict[str, Any] = {key: np.asarray(value) for key, value in job.items()}
        np.savez(where / "job.npz", **arrays)
        log = where / "log.txt"
        code = run_in_group([str(python), str(program), str(folder), str(where)], time_limit_s=time_limit_s, log=log)
        if code != 0 or not (where / "result.npz").is_file():
            reason = f"took more than {time_limit_s:g} s" if code is None else f"ended with code {code}"
            raise BackendError("lava", reason=reason, output=log.read_text(encoding="utf-8", errors="replace"))
        with np.load(where / "result.npz", allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
