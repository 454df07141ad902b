"""How the C library treats memory that was freed.

By default glibc gives large blocks back to the system at once and asks for them again a millisecond
later, and the system fills every fresh page with zeros. For the matrices of one chunk that costs as
much time as computing them, in some processes and not in others: it hangs on where the heap
happens to end.
"""

import ctypes

KEPT_BYTES = 1 << 30
"""Freed memory that stays with the process. Own: well over the largest matrix of a chunk or of a
training step, and little beside the memory of a machine that trains."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`. Source: glibc, `malloc.h`."""


def keep_freed_memory() -> bool:
    """Keep freed memory for the next allocation; for entry points, once, before the work.

    It is a setting of the whole process, which is why no library function calls it.

    Returns:
        Whether the C library has such a setting and took it (glibc does).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # No glibc: another allocator, another policy.
        return False
    taken = [mallopt(name, KEPT_BYTES) for name in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD)]
    return all(taken)
