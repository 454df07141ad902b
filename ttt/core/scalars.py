"""Numbers out of small tensors: means and inner products, several at a time.

On a matrix of the adapter's size an operator of torch costs ten times its arithmetic, and more once
a large product has emptied the caches; so the CPU takes compiled loops. Elsewhere torch
computes them, and all are fetched with one wait for the device.

Shapes: any.
"""

import functools
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

from ttt.core.scan import scan_path
from ttt.errors import ConfigError


def numbers(
    *, means: Sequence[Tensor] = (), products: Sequence[tuple[Tensor, Tensor]] = ()
) -> list[float]:
    """Compute and fetch some numbers together.

    Args:
        means: Tensors whose mean is wanted, each with at least one entry; none that wants a
            gradient, and all on the same device.
        products: Pairs of equal shape whose inner product is wanted; a tensor and itself give its
            squared Frobenius norm.

    Returns:
        The means, then the products.

    Raises:
        ConfigError: The tensors of a pair have different shapes.
    """
    first = means[0] if means else products[0][0]
    loops = _compiled_loops() if first.is_cpu else None
    if loops is None:
        return naive_numbers(means=means, products=products)
    found = [loops.total(each.numpy().ravel()) / each.numel() for each in means]
    for a, b in products:
        array = a.numpy().ravel()
        if b is a:
            found.append(loops.product(array, array))
            continue
        if a.shape != b.shape:  # The loops would read what lies behind the smaller one.
            raise ConfigError(f"No inner product of shapes {tuple(a.shape)} and {tuple(b.shape)}.")
        found.append(loops.product(array, b.numpy().ravel()))
    return found


def naive_numbers(
    *, means: Sequence[Tensor], products: Sequence[tuple[Tensor, Tensor]]
) -> list[float]:
    """The readable twin of `numbers`, on any device."""
    each = [tensor.mean() for tensor in means] + [(a * b).sum() for a, b in products]
    fetched: list[float] = torch.stack(each).tolist()
    return fetched


@functools.cache
def _compiled_loops() -> ModuleType | None:
    """Looked for once: this is called several times a chunk."""
    if scan_path() != "numba":
        return None
    from ttt.core import scalars_numba

    return scalars_numba
