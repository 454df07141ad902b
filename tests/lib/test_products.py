"""Large products: both ways agree, and nothing else changes with the way."""

import pytest
import torch

from tests.chosen_once import chosen_once
from ttt.errors import ConfigError
from ttt.lib import products
from ttt.lib.products import (
    COLUMNS,
    ROWS,
    WHOLE_512,
    WORK_MIN,
    Linear,
    filled,
    has_onednn,
    lacking,
    product,
    product_path,
)

LARGE = (37, 96, 1024)


@pytest.fixture
def way(monkeypatch):
    """Set TTT_PRODUCTS as if the process had started with it."""
    with chosen_once(monkeypatch, "TTT_PRODUCTS", product_path) as start_with:
        yield start_with


def pair(rows, inner, columns):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(rows, inner, generator=generator),
        torch.randn(columns, inner, generator=generator).T,
    )


@pytest.fixture
def calls(monkeypatch):
    """The shapes that went to oneDNN."""
    seen, whole = [], products.product_by_onednn

    def spy(left, right, *added):
        seen.append(tuple(left.shape))
        return whole(left, right, *added)

    monkeypatch.setattr(products, "product_by_onednn", spy)
    return seen


@pytest.mark.parametrize("rows", [16, 37, 128])
@pytest.mark.parametrize("transposed", [False, True])
def test_both_ways_agree(way, calls, rows, transposed):
    left, right = pair(rows, 96, 1024)
    right = right.contiguous() if transposed else right
    wanted = left.double() @ right.double()
    for name in ("torch", "onednn"):
        way(name)
        got = product(left, right)
        assert got.shape == wanted.shape
        torch.testing.assert_close(got.double(), wanted, rtol=0, atol=1e-4)
    assert calls == [(rows, 96)]


def test_a_product_repeats_to_the_bit(way):
    way("onednn")
    left, right = pair(*LARGE)
    assert torch.equal(product(left, right), product(left.clone(), right))


@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_is_the_same_layer_whichever_way_it_multiplies(way, calls, bias):
    layer = Linear(96, 1024, bias=bias)
    shape = (111, 96) if bias else (3, 37, 96)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    way("onednn")
    trained = layer(x)
    assert trained.requires_grad
    assert not calls
    frozen = layer.requires_grad_(False)(x)
    assert calls == [(111, 96)]
    torch.testing.assert_close(frozen, trained.detach(), rtol=0, atol=1e-5)
    seen = []
    layer.register_forward_hook(lambda *_: seen.append(1))
    layer(x)
    assert seen == [1]


def test_half_precision_is_left_to_torch(way, calls):
    way("onednn")
    left, right = pair(*LARGE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert product(left, right).dtype == torch.bfloat16
    assert not calls


def test_what_is_not_finite_stays_in_its_row(way):
    way("onednn")
    left, right = pair(*LARGE)
    left[3, 5], left[36, 0] = torch.nan, torch.inf
    got = product(left, right)
    sound = [n for n in range(37) if n not in (3, 36)]
    assert got[3].isnan().all()
    assert not got[36].isfinite().any()
    assert torch.equal(got[sound], product(left[sound], right))


@pytest.mark.parametrize(
    "change",
    [
        lambda left, right: (left.double(), right.double()),
        lambda left, right: (left[: ROWS - 1], right),
        lambda left, right: (left[:, :16], right[:16, : WORK_MIN // (37 * 16)]),
    ],
    ids=["double precision", "few rows", "little work"],
)
def test_everything_else_is_left_to_torch(way, calls, change):
    way("onednn")
    left, right = change(*pair(*LARGE))
    assert torch.equal(product(left, right), left @ right)
    assert not calls


def test_a_gradient_is_not_lost(way, calls):
    way("onednn")
    left, right = pair(*LARGE)
    product(left.requires_grad_(), right).sum().backward()
    torch.testing.assert_close(left.grad, right.sum(dim=1).expand(37, -1), rtol=1e-4, atol=1e-4)
    assert not calls


def test_rows_are_filled_up_where_that_way_needs_it(way):
    left, _ = pair(*LARGE)
    way("torch")
    assert filled(left) is left
    way("onednn")
    more = filled(left)
    assert more.shape == (40, 96)
    assert torch.equal(more[:37], left)
    assert not more[37:].any()
    assert filled(left[:32]).shape == (32, 96)


def test_columns_are_filled_up_on_that_way_only(way):
    way("torch")
    assert lacking(700, COLUMNS) == 0
    way("onednn")
    assert [lacking(count, COLUMNS) for count in (512, 513, 700, 1024)] == [0, 511, 324, 0]


def test_the_way_is_chosen_by_the_processor(way, monkeypatch):
    del way
    for name, wanted in [(next(iter(WHOLE_512)), "onednn"), ("znver4", "torch"), ("", "torch")]:
        product_path.cache_clear()
        monkeypatch.setattr(products, "_processor", lambda name=name: name)
        assert product_path() == wanted


def test_without_onednn_torch_multiplies(way, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(products, "_processor", lambda: "znver5")
    product_path.cache_clear()
    assert product_path() == "torch"
    way("onednn")
    with pytest.raises(ConfigError, match="leave it unset"):
        product_path()


def test_an_unknown_way_is_refused_by_name(way):
    way("fast")
    with pytest.raises(ConfigError, match="torch, onednn, not 'fast'"):
        product_path()


def test_this_torch_carries_both():
    assert has_onednn()


def test_without_a_compiler_the_processor_has_no_name(monkeypatch):
    monkeypatch.setattr(products, "can_compile", lambda: False)
    assert products._processor() == ""
