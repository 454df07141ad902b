"""Numbers out of small tensors: means and inner products, several at a time.

On a matrix of the adapter's size an operator of torch costs ten times its arithmetic, and more once
a large product has emptied the caches; so float32 on the CPU takes compiled loops. Elsewhere torch
computes them, and all are fetched with one wait for the device.

Shapes: any.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ttt.core.vocabulary import runs_compiled
from ttt.errors import ConfigError


def numbers(
    *, means: Sequence[Tensor] = (), products: Sequence[tuple[Tensor, Tensor]] = ()
) -> list[float]:
    """Compute and fetch some numbers together.

    Args:
        means: Tensors whose mean is wanted, each with at least one entry.
        products: Pairs of equal shape whose inner product is wanted; a tensor and itself give its
            squared Frobenius norm.

    Returns:
        The means, then the products.

    Raises:
        ConfigError: The tensors of a pair have different shapes.
    """
    for a, b in products:
        if a.shape != b.shape:
            raise ConfigError(f"No inner product of shapes {tuple(a.shape)} and {tuple(b.shape)}.")
    if not all(runs_compiled(each) for each in (*means, *(t for pair in products for t in pair))):
        return naive_numbers(means=means, products=products)
    from ttt.core import scalars_numba

    found = [scalars_numba.total(each.numpy().ravel()) / each.numel() for each in means]
    for a, b in products:
        array = a.numpy().ravel()
        found.append(scalars_numba.product(array, array if b is a else b.numpy().ravel()))
    return found


def naive_numbers(
    *, means: Sequence[Tensor], products: Sequence[tuple[Tensor, Tensor]]
) -> list[float]:
    """The readable twin of `numbers`, on any device."""
    each = [tensor.mean() for tensor in means] + [(a * b).sum() for a, b in products]
    fetched: list[float] = torch.stack(each).tolist()
    return fetched
