"""Loops compiled to machine code by numba, once per installation.

Importing this module costs nothing; applying `compiled` imports numba (0.3 s). A module of kernels
is therefore itself imported late, by the function that needs its first result. The machine code is
kept beside the source in `__pycache__` or, where that is read-only, in the user's cache folder, or
wherever `NUMBA_CACHE_DIR` says; without any writable place it is compiled anew in each process.
It is renewed when the file of the loop changes, and **not** when the options below do: after such
a change, `make clean`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

Loop = TypeVar("Loop", bound=Callable[..., object])


def compiled(loop: Loop) -> Loop:
    """Compile a function of arrays and numbers, usually one that writes into them; a decorator.

    One thread, the interpreter lock released. Multiplication and addition may be fused (one
    rounding instead of two); nothing else of floating-point arithmetic is relaxed, so NaN and
    infinity behave as written. Division by zero gives infinity, as in NumPy. Indices are **not**
    checked: whoever calls a compiled loop checks the shapes first.

    Args:
        loop: Plain Python that numba understands, defined in a file.

    Returns:
        The same function, compiled at its first call for each combination of argument types.
    """
    return _compile(loop, {"contract"})


def compiled_exactly(loop: Loop) -> Loop:
    """The same with every operation rounded by itself: for code that computes rounding errors."""
    return _compile(loop, set())


def compiled_sum(loop: Loop) -> Loop:
    """The same for a function that only adds up: its additions may be put in another order.

    That is what lets one instruction add eight numbers. The order is fixed when it is compiled, so
    one machine gives one result; NaN and infinity still behave as written.
    """
    return _compile(loop, {"contract", "reassoc"})


def _compile(loop: Loop, relaxed: set[str]) -> Loop:
    import numba

    _use_wide_vectors()
    # A run-time type checker may have wrapped the function; numba must see the one inside.
    source = inspect.unwrap(loop)
    options: dict[str, Any] = {"nogil": True, "fastmath": relaxed, "error_model": "numpy"}
    try:
        return cast("Loop", numba.njit(cache=True, **options)(source))
    except RuntimeError:  # numba found no writable folder for this file
        return cast("Loop", numba.njit(**options)(source))


@functools.cache
def _use_wide_vectors() -> None:
    """Use vectors of 512 bits where there are any, unless somebody has said what to use.

    For Intel, LLVM prefers half of that, since processors of 2017 slowed down under them.
    """
    from numba.core import codegen, config

    features: str = codegen.get_host_cpu_features()  # type: ignore[no-untyped-call]
    settings = vars(config)
    if settings["CPU_FEATURES"] is None and "+avx512vl" in features.split(","):
        settings["CPU_FEATURES"] = f"{features},-prefer-256-bit"


@functools.cache
def can_compile() -> bool:
    """Whether numba is installed and agrees with the installed NumPy; asked once per process."""
    try:
        import numba
    except ImportError:
        return False
    return bool(numba.__version__)
