"""How memory that was freed is treated, and in what pages large matrices lie.

By default glibc gives large blocks back to the system at once and asks for them again a millisecond
later, and the system fills every fresh page with zeros. For the matrices of one chunk that takes as
long as computing them, in some processes and not in others: it hangs on where the heap happens to
end. In pages of 4 KiB such a matrix also needs a thousand entries of a table that holds a few
thousand, and pushes out those of the program itself.

By default glibc also opens an arena for each of the first threads, and what one arena has freed no
other can use: a service whose threads take turns grows by holes. Measured over 3,000 messages: 490
MB resident with one arena, 626 MB with one for each thread, at the same speed.

Nothing here changes a result.
"""

import ctypes
import os

KEPT_BYTES = 1 << 30
"""Freed memory that stays with the process. Own: well over the largest matrix of a chunk or of a
training step, and little beside the memory of a machine that trains."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of `mallopt`. Source: glibc, `malloc.h`."""

_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""Makes torch ask for pages of 2 MiB for tensors of that size; read at its first allocation."""


def tune_memory() -> bool:
    """Keep freed memory for the next allocation, in one arena, and large tensors in large pages.

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
    wanted = {_M_MMAP_THRESHOLD: KEPT_BYTES, _M_TRIM_THRESHOLD: KEPT_BYTES, _M_ARENA_MAX: 1}
    taken = [mallopt(name, value) for name, value in wanted.items()]
    return all(taken)


def give_back() -> bool:
    """Hand freed memory back to the system; for processes that live long. Costs milliseconds.

    Returns:
        Whether the C library can (glibc does).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return False
    return True


class _Mallinfo2(ctypes.Structure):
    """`struct mallinfo2`. Source: glibc, `malloc.h`."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks"),
            *("uordblks", "fordblks", "keepcost"),
        )
    ]


def heap_in_use() -> int | None:
    """Bytes of the C heap that somebody holds: tensors and the like.

    What was freed and is still with the process does not count, so a leak shows here that is lost
    in the noise of resident memory. Small Python objects lie elsewhere, unless the environment says
    `PYTHONMALLOC=malloc`.

    Returns:
        None where the C library cannot tell (glibc from 2.33 on can).
    """
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return None
    mallinfo2.restype = _Mallinfo2
    found = mallinfo2()
    return int(found.uordblks) + int(found.hblkhd)
