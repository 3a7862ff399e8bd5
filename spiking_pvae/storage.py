"""Files on disk: tensors with a hash, written whole or not at all; never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import DamagedFileError, InputError

Arrays = dict[str, NDArray[Any]]
_HASH = "sha256"
_FORMAT = "format"
_ENTRY = "spiking-pvae"
"""The one entry of the file's header: safetensors writes several in an order that changes from run to run."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends without an error."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_free(folder: Path, *, force: bool, kind: str | None = None) -> None:
    """Refuse a folder that exists, before any work is done.

    Raises
    ------
    InputError
        It exists and `force` is not set, or it was not written as `kind`.
    """
    if folder.exists() and not force:
        raise InputError(
            "output", given=f"{folder}, which exists", allowed="a new folder", remedy="Overwrite with --force."
        )
    manifest = folder / "manifest.json"
    if (
        folder.exists()
        and kind
        and not (manifest.is_file() and _family(read_json(manifest).get("format")) == _family(kind))
    ):
        raise InputError("output", given=f"{folder}, which holds something else", allowed="a new folder")


def _family(kind: object) -> str:
    """Return a kind without its version: what an older version wrote may be replaced."""
    return str(kind).rsplit(" ", 1)[0]


@contextmanager
def replacing_folder(folder: Path, *, kind: str, force: bool) -> Iterator[Path]:
    """Give a temporary folder that becomes `folder` when the block ends without an error.

    Parameters
    ----------
    folder : Path
        Where it goes.
    kind : str
        What its ``manifest.json`` calls its ``format``; a folder of another kind is never replaced.
    force : bool
        Replace a folder that exists.

    Raises
    ------
    InputError
        The folder exists and may not be replaced, or can't be written.
    """
    require_free(folder, force=force, kind=kind)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InputError(
            "output", given=f"{folder} ({error.strerror})", allowed="a folder that can be written"
        ) from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if folder.exists():
            _swap(folder, temporary)
        else:
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(folder: Path, new: Path) -> None:
    """Put `new` in the place of `folder`; the old one is only removed once the new one is there."""
    aside = new.with_name(f"{new.name}.old")
    folder.rename(aside)
    try:
        new.rename(folder)
    except BaseException:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    """Return the permissions that new files of this process must not have."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically, readable by people."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        There is no such file.
    DamagedFileError
        It is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("file", given=f"no file {path}", allowed="a file written by this package") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedFileError(path, f"is not valid JSON ({error}).") from error
    if not isinstance(value, dict):
        raise DamagedFileError(path, "does not hold a JSON object.")
    return value


def digest(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """Hash names, types, shapes and bytes of arrays, and the metadata; independent of the order given."""
    state = hashlib.sha256()
    for key in sorted(metadata):
        state.update(f"{key}\0{metadata[key]}\0".encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        state.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        state.update(array.data if array.size else b"")
    return state.hexdigest()


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], *, kind: str, metadata: Mapping[str, str]) -> str:
    """Write named arrays as a safetensors file with a hash of everything in it.

    Parameters
    ----------
    path : Path
        Replaced atomically where it exists.
    arrays : mapping of str to ndarray
        What to store.
    kind : str
        What the file is and its version, such as ``spiking-pvae checkpoint 1``.
    metadata : mapping of str to str
        Stored beside the arrays.

    Returns
    -------
    str
        The sha256 that `load_arrays` checks.
    """
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    described = {**metadata, _FORMAT: kind}
    sha256 = digest(contiguous, described)
    with replacing(path) as temporary:
        header = json.dumps({**described, _HASH: sha256}, sort_keys=True)
        save_file(contiguous, temporary, metadata={_ENTRY: header})
    return sha256


def load_arrays(path: Path, *, kind: str, sha256: str | None = None) -> tuple[Arrays, dict[str, str]]:
    """Read what `save_arrays` wrote.

    Parameters
    ----------
    path : Path
    kind : str
        What the file must be.
    sha256 : str, optional
        What `save_arrays` returned, where the manifest beside the file keeps it: another file's content is refused.

    Returns
    -------
    arrays : dict of str to ndarray
    metadata : dict of str to str

    Raises
    ------
    InputError
        There is no such file.
    DamagedFileError
        The file is truncated, edited, foreign, or of another kind or version.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError("file", given=f"no file {path}", allowed="a file written by this package")
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(_ENTRY, "{}")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, ValueError, OSError, TypeError) as error:
        raise DamagedFileError(path, f"is truncated or is no safetensors file ({error}).") from error
    try:
        metadata: dict[str, str] = dict(json.loads(header))
    except (ValueError, TypeError) as error:
        raise DamagedFileError(path, f"has a damaged header ({error}).") from error
    found = metadata.get(_FORMAT)
    if found != kind:
        raise DamagedFileError(path, f"holds '{found}', not '{kind}'.", "Use the version of the package that wrote it.")
    stored = metadata.pop(_HASH, None)
    if stored != digest(arrays, metadata):
        raise DamagedFileError(path, "was edited or damaged: its content does not match its sha256.")
    if sha256 is not None and stored != sha256:
        raise DamagedFileError(path, "is not the file that the manifest beside it was written with.")
    metadata.pop(_FORMAT)
    return arrays, metadata
