"""Sets in IDX files: one file, a folder with the standard names, or MNIST and Fashion-MNIST by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiking_pvae.data.cache import cache_folder
from spiking_pvae.data.checks import known_options, seed_option, to_images, to_labels
from spiking_pvae.data.fingerprint import file_hash, recipe_hash
from spiking_pvae.data.idx import read_idx
from spiking_pvae.data.splits import split_images
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset, ImageSet

PARTS = ("train", "t10k")


@dataclass(frozen=True, slots=True)
class Download:
    """Where a named set comes from, file by file."""

    url: str
    licence: str
    sha256: Mapping[str, str]


DOWNLOADS: Mapping[str, Download] = {
    "mnist": Download(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "CC BY-SA 3.0 (Y. LeCun and C. Cortes)",
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion-mnist": Download(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "MIT (Zalando SE)",
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
}


def load_idx_file(path: Path, options: Mapping[str, Any]) -> Dataset:
    """Load one IDX file of images, split 80/20.

    Labels are read from the file beside it whose name has ``labels`` for ``images`` and ``idx1`` for ``idx3``.

    Parameters
    ----------
    path : Path
        Images, gzipped or not.
    options : mapping
        ``seed``: seed of the split.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A damaged file, or labels that do not fit the images.
    """
    known_options(options, ("seed",), "an IDX file")
    seed = seed_option(options)
    whole = _read_pair(path)
    train, validation = split_images(whole.images, whole.labels, seed)
    recipe = {"seed": seed, "files": [file_hash(part) for part in _pair(path)]}
    return Dataset(
        name=str(path), train=train, validation=validation, source=str(path), fingerprint=recipe_hash(recipe)
    )


def has_idx_files(folder: Path) -> bool:
    """Tell whether a folder holds IDX images under one of the standard names."""
    return any(_find(folder, part) for part in PARTS)


def load_idx_folder(folder: Path, options: Mapping[str, Any]) -> Dataset:
    """Load a folder in the layout of MNIST.

    ``train-images-idx3-ubyte`` (the name may have a dot for the second dash, and may end in .gz) is the training
    split and ``t10k-images-idx3-ubyte`` the validation split. A folder with only one of them is split 80/20.

    Parameters
    ----------
    folder : Path
        The folder.
    options : mapping
        ``seed``: seed of the split where there is only one file.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A damaged file, labels that do not fit, or splits of different image shapes.
    """
    known_options(options, ("seed",), "a folder of IDX files")
    seed = seed_option(options)
    found = [path for part in PARTS if (path := _find(folder, part)) is not None]
    if len(found) == 1:
        return load_idx_file(found[0], options)
    train, validation = (_read_pair(path) for path in found)
    if train.shape != validation.shape:
        raise InputError(
            f"IDX files in {folder}",
            given=f"training images of shape {train.shape}, test images of shape {validation.shape}",
            allowed="images of one shape",
        )
    recipe = {"seed": seed, "files": [file_hash(part) for path in found for part in _pair(path)]}
    return Dataset(
        name=str(folder), train=train, validation=validation, source=str(folder), fingerprint=recipe_hash(recipe)
    )


def load_named(name: str, options: Mapping[str, Any]) -> Dataset:
    """Load MNIST or Fashion-MNIST: 60,000 training images, the official 10,000 test images as validation.

    Parameters
    ----------
    name : {"mnist", "fashion-mnist"}
        Which set.
    options : mapping
        ``folder``: a folder with the four IDX files. Without it they are downloaded once, checked against their pinned
        SHA-256, and kept in the cache folder.

    Returns
    -------
    Dataset
        Images of shape (1, 28, 28) in [0, 1], with labels.

    Raises
    ------
    InputError
        The folder lacks the files, a file is damaged, or the download failed.
    """
    known_options(options, ("folder",), f"'{name}'")
    origin = DOWNLOADS[name]
    chosen = options.get("folder")
    if not isinstance(chosen, str | Path | None):
        raise InputError(f"folder of '{name}'", given=repr(chosen), allowed="a path")
    folder = _download(name, origin) if chosen is None else Path(chosen).expanduser()
    if not all(_find(folder, part) for part in PARTS):
        raise InputError(
            f"folder of '{name}'",
            given=str(folder),
            allowed=f"a folder with {', '.join(origin.sha256)} (gzipped or not)",
        )
    loaded = load_idx_folder(folder, {})
    return Dataset(
        name=name,
        train=loaded.train,
        validation=loaded.validation,
        source=origin.url,
        licence=origin.licence,
        fingerprint=loaded.fingerprint,
    )


def download_folder(name: str) -> Path:
    """Return the folder that downloads of a named set are kept in."""
    return cache_folder() / name


def _download(name: str, origin: Download) -> Path:
    import pooch

    folder = download_folder(name)
    registry = {file: f"sha256:{digest}" for file, digest in origin.sha256.items()}
    fetcher = pooch.create(path=folder, base_url=origin.url, registry=registry)
    try:
        for file in registry:
            fetcher.fetch(file)
    except (OSError, ValueError) as error:  # no network or no room; a file that is not the pinned one
        raise InputError(
            f"download of '{name}'",
            given=f"{type(error).__name__}: {error}",
            allowed=f"the files of {origin.url} with the pinned SHA-256",
            remedy=f"Put {', '.join(registry)} in a folder and name it with the option folder.",
        ) from error
    return folder


def _find(folder: Path, part: str) -> Path | None:
    names = [f"{part}-images{dash}idx3-ubyte{ending}" for dash in "-." for ending in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _labels_of(path: Path) -> Path | None:
    base = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    places = [path.with_name(base), path.with_name(f"{base}.gz")]
    return next((place for place in places if place.name != path.name and place.is_file()), None)


def _pair(path: Path) -> list[Path]:
    labels = _labels_of(path) if "images" in path.name else None
    return [path] if labels is None else [path, labels]


def _read_pair(path: Path) -> ImageSet:
    pair = _pair(path)
    images = to_images(read_idx(path), str(path))
    labels = to_labels(read_idx(pair[1]), len(images), str(pair[1])) if len(pair) == 2 else None
    return ImageSet(images=images, labels=labels)
