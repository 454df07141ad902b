"""How memory that was freed is treated, and in what pages large matrices lie.

By default glibc gives large blocks back to the system at once and asks for them again a millisecond
later, and the system fills every fresh page with zeros. For the matrices of one chunk that takes as
long as computing them, in some processes and not in others: it hangs on where the heap happens to
end. In pages of 4 KiB such a matrix also needs a thousand entries of a table that holds a few
thousand, and pushes out those of the program itself.

Nothing here changes a result.
"""

import ctypes
import os

KEPT_BYTES = 1 << 30
"""Freed memory that stays with the process. Own: well over the largest matrix of a chunk or of a
training step, and little beside the memory of a machine that trains."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`. Source: glibc, `malloc.h`."""

_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Makes torch ask for pages of 2 MiB for tensors of that size; read at its first allocation."""


def tune_memory() -> bool:
    """Keep freed memory for the next allocation, and large tensors in large pages.

    For entry points, once, before torch is imported: it is a setting of the whole process, which is
    why no library function calls it. Variables that somebody has set already are left alone.

    Returns:
        Whether the C library has such settings and took them (glibc does).
    """
    os.environ.setdefault(_HUGE_PAGES, "1")
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # No glibc: another allocator, another policy.
        return False
    taken = [mallopt(name, KEPT_BYTES) for name in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD)]
    return all(taken)


def give_back() -> bool:
    """Hand freed memory back to the system, of all arenas; for processes that live long.

    What `tune_memory` keeps is kept by each arena, and a server has one for every few threads:
    after some hundred messages a gigabyte of it is nobody's. Costs milliseconds.

    Returns:
        Whether the C library can (glibc does).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return False
    return True
