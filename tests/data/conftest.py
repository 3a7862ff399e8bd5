from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spiking_pvae.data import load
from spiking_pvae.types import Dataset


@pytest.fixture(autouse=True)
def cache_in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "the cache"
    monkeypatch.setenv("SPIKING_PVAE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def natural(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKING_PVAE_CACHE", str(tmp_path_factory.mktemp("session-cache")))
        yield load("natural")
