"""Files with a hash: round trips, damage, and never half-written."""

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.storage import load_arrays, read_json, replacing, save_arrays, write_json

KIND = "test 1"
arrays = st.dictionaries(
    st.text("abc.é", min_size=1, max_size=6),
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.int32, np.int64, np.uint8]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    max_size=4,
)


@given(arrays, st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_round_trip(tmp_path_factory, content, metadata):
    path = tmp_path_factory.mktemp("arrays") / "file name ü.safetensors"
    metadata = {key: value for key, value in metadata.items() if key not in ("format", "sha256")}
    first = save_arrays(path, content, kind=KIND, metadata=metadata)
    bytes_first = path.read_bytes()
    loaded, read = load_arrays(path, kind=KIND)
    assert read == metadata
    assert loaded.keys() == content.keys()
    for name, array in content.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
    assert save_arrays(path, content, kind=KIND, metadata=metadata) == first
    assert path.read_bytes() == bytes_first


@given(st.data())
def test_every_changed_byte_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "file"
    save_arrays(path, {"w": np.arange(20.0), "b": np.arange(3)}, kind=KIND, metadata={"note": "x"})
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        loaded, read = load_arrays(path, kind=KIND)
    except DamagedFileError:
        return
    # A change that leaves the meaning alone (a space in the header) is no damage.
    np.testing.assert_array_equal(loaded["w"], np.arange(20.0))
    np.testing.assert_array_equal(loaded["b"], np.arange(3))
    assert read == {"note": "x"}


def test_truncated_foreign_and_missing(tmp_path):
    path = tmp_path / "file"
    save_arrays(path, {"w": np.arange(20.0)}, kind=KIND, metadata={})
    with pytest.raises(DamagedFileError, match="holds 'test 1', not 'test 2'"):
        load_arrays(path, kind="test 2")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFileError, match="truncated"):
        load_arrays(path, kind=KIND)
    path.write_bytes(b"")
    with pytest.raises(DamagedFileError):
        load_arrays(path, kind=KIND)
    with pytest.raises(InputError, match="no file"):
        load_arrays(tmp_path / "none", kind=KIND)


def test_replacing_leaves_the_old_file_on_error(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def half_write():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_write()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_json(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": [1, 2.5, None]})
    assert read_json(path) == {"b": [1, 2.5, None]}
    path.write_text(json.dumps([1]))
    with pytest.raises(DamagedFileError, match="JSON object"):
        read_json(path)
    path.write_text("{")
    with pytest.raises(DamagedFileError, match="not valid JSON"):
        read_json(path)
