"""Backends that live in an interpreter of their own, in a process group of their own and with a time limit.

Lava wants another Python and another numpy than this package, starts one operating-system process for each of its
processes, and leaves them behind when it is killed. SANA-FE's licence (GPL-3.0) is not this package's. So both run in a
subprocess, by default in the interpreter of this one; an environment variable names another.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import BackendError, InputError

TIME_LIMIT_S = 300.0
ANSWER_S = 60.0
"""For an interpreter to say the versions of what it has."""
GRACE_S = 3.0
"""Between asking a process group to end and ending it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A Python interpreter that has a package which this one need not have.

    Parameters
    ----------
    name : str
        Of the package, for messages.
    module : str
        What it is imported as: where this interpreter has it too, it may run it.
    variable : str
        Environment variable that names the interpreter.
    install : str
        Command that makes one.
    """

    name: str
    module: str
    variable: str
    install: str

    def interpreter(self) -> Path | None:
        """Return the Python that runs it, or None.

        Raises
        ------
        InputError
            The environment variable names no file.
        """
        named = os.environ.get(self.variable)
        if named:
            if not Path(named).is_file():
                raise InputError(
                    self.variable, given=named, allowed=f"the path of a Python interpreter that has {self.name}"
                )
            return Path(named)
        return Path(sys.executable) if find_spec(self.module) is not None else None

    def version(self, *distributions: str) -> str | None:
        """Return the versions of distributions in the interpreter that runs it, or None where one is missing.

        Raises
        ------
        InputError
            The environment variable names no file, or one that does not run.
        """
        python = self.interpreter()
        if python is None:
            return None
        try:
            return _version_in(python, distributions)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._unusable(python, error) from error

    def _unusable(self, python: Path, error: Exception) -> InputError:
        reason = f"no answer in {ANSWER_S:g} s" if isinstance(error, subprocess.TimeoutExpired) else error
        return InputError(
            self.variable,
            given=f"{python}, which does not run ({reason})",
            allowed=f"the path of a Python interpreter that has {self.name}",
        )

    def run_program(
        self, program: Path, folder: Path, job: Mapping[str, Any], *, time_limit_s: float = TIME_LIMIT_S
    ) -> dict[str, NDArray[Any]]:
        """Run a program on an export folder.

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
            No interpreter has the package, or what the environment variable names does not run.
        BackendError
            The program failed or took too long; says what it printed last.
        """
        python = self.interpreter()
        if python is None:
            raise InputError(self.name, given="no interpreter that has it", allowed="one", remedy=self.install)
        with tempfile.TemporaryDirectory(prefix=f"spiking-pvae-{self.module}-") as name:
            where = Path(name)
            arrays: dict[str, Any] = {key: np.asarray(value) for key, value in job.items()}
            np.savez(where / "job.npz", **arrays)
            log = where / "log.txt"
            command = [str(python), str(program), str(folder), str(where)]
            try:
                code = run_in_group(command, time_limit_s=time_limit_s, log=log)
            except OSError as error:
                raise self._unusable(python, error) from error
            if code != 0 or not (where / "result.npz").is_file():
                reason = f"took more than {time_limit_s:g} s" if code is None else f"ended with code {code}"
                raise BackendError(self.module, reason=reason, output=log.read_text(encoding="utf-8", errors="replace"))
            with np.load(where / "result.npz", allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}


LAVA = Host(
    name="Lava 0.10.0",
    module="lava",
    variable="SPIKING_PVAE_LAVA_PYTHON",
    install="python -m venv lava-env && "
    "lava-env/bin/pip install h5py scipy 'networkx<=2.8.7' asteval 'numpy>=2,<2.4' && "
    "lava-env/bin/pip install --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0 && "
    "export SPIKING_PVAE_LAVA_PYTHON=$PWD/lava-env/bin/python",
)
SANAFE = Host(
    name="SANA-FE 2.2.9",
    module="sanafe",
    variable="SPIKING_PVAE_SANAFE_PYTHON",
    install="python -m venv sanafe-env && sanafe-env/bin/pip install sanafe==2.2.9 numpy && "
    "export SPIKING_PVAE_SANAFE_PYTHON=$PWD/sanafe-env/bin/python",
)


@cache
def _version_in(python: Path, distributions: Sequence[str]) -> str | None:
    program = "import sys; from importlib.metadata import version; print(*(f'{n} {version(n)}' for n in sys.argv[1:]))"
    done = subprocess.run(
        [str(python), "-c", program, *distributions], capture_output=True, text=True, timeout=ANSWER_S, check=False
    )
    return done.stdout.strip() or None if done.returncode == 0 else None


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
