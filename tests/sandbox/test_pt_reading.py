"""Hostile `.pt` files where they are opened, a limited child: nothing runs, memory is bounded."""

import os
import pickle

import pytest
import torch

from tests.sandbox.pt_forgery import (
    Calls,
    bytearray_bomb,
    hash_bomb,
    pickled,
    saved,
    with_pickle,
)
from ttt.errors import CorruptArtifactError, InputError
from ttt.sandbox import pt_reading
from ttt.sandbox.limited import Ended, Limits, run_limited
from ttt.sandbox.pt_reading import read_pt
from ttt.store.pt_files import FILE_BYTES_MAX, check_pt
from ttt.store.tensor_files import decode


def test_an_honest_file_is_read():
    tensors = {"W_o": torch.randn(4, 32, dtype=torch.float64), "half": torch.ones(3).bfloat16()}
    back = decode(read_pt(saved(tensors), where="f.pt"), where="f.pt")
    assert all(back[name].equal(tensor) for name, tensor in tensors.items())


def test_a_pickle_that_would_run_code_runs_none(tmp_path):
    marker = tmp_path / "marker"
    data = with_pickle(pickled({"a": Calls(os.system, f"touch {marker}")}))
    pickle.loads(pickled(Calls(os.system, f"touch {marker}")))
    assert marker.exists(), "the attack works where nothing stops it"
    marker.unlink()
    with pytest.raises(InputError, match=r"f.pt cannot be imported: it asks for posix.system"):
        read_pt(data, where="f.pt")
    assert not marker.exists()


def test_a_stride_bomb_never_becomes_its_512_mib():
    data = saved({"a": torch.zeros(1 << 17).expand(1024, 1 << 17)})
    assert len(data) < 530_000
    with pytest.raises(InputError, match=r"its tensors come to more than the 5\d{5} bytes"):
        read_pt(data, where="f.pt")


def test_a_call_that_asks_for_memory_meets_the_childs_limit():
    """Torch's restricted unpickler allows this one: what holds is the limit, not the unpickler."""
    data = with_pickle(bytearray_bomb(1 << 30))
    check_pt(data, where="f.pt")
    with pytest.raises(InputError, match=r"it needed more than 26843\d{4} bytes of memory"):
        read_pt(data, where="f.pt")


def test_a_pickle_that_would_take_for_ever_meets_the_childs_limit():
    data = with_pickle(hash_bomb(60))
    check_pt(data, where="f.pt")
    limits = Limits(memory_bytes=1 << 28, output_bytes=1 << 20, cpu_s=1)
    ended = run_limited("ttt.store.pt_files:convert", data, preload=("torch",), limits=limits)
    assert ended.failure == "it used more than 1 seconds of processor time"


def test_a_zip_that_is_refused_here_never_reaches_a_child(monkeypatch):
    def must_not_run(*_: object, **__: object):
        raise AssertionError("a child was started")

    monkeypatch.setattr(pt_reading, "run_limited", must_not_run)
    with pytest.raises(InputError, match="zip format"):
        read_pt(b"\x80\x02}.", where="f.pt")


def test_what_comes_out_of_the_child_is_not_taken_on_trust(monkeypatch):
    """A child that was taken over could answer anything."""
    lie = Ended(output=b"\xff" * 99, failure="")
    monkeypatch.setattr(pt_reading, "run_limited", lambda *_, **__: lie)
    with pytest.raises(CorruptArtifactError, match="not a valid safetensors file"):
        read_pt(saved({"a": torch.ones(1)}), where="f.pt")


@pytest.mark.slow
def test_the_largest_file_fits_the_childs_memory():
    count = (FILE_BYTES_MAX - (1 << 14)) // 4
    data = saved({"a": torch.randn(count // 2), "b": {"c": torch.randn(count // 2)}})
    assert FILE_BYTES_MAX - (1 << 15) < len(data) <= FILE_BYTES_MAX
    assert len(read_pt(data, where="f.pt")) > 4 * count
