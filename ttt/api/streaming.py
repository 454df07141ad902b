"""An iterator of a room as a stream of server-sent events, closed whoever goes away first.

Each step runs in a worker thread, so the loop stays free. When the listener leaves, the iterator is
closed: a chat then keeps the part of the answer that was written, and commits it.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TypeVar, cast

import anyio
from anyio.to_thread import run_sync
from starlette.responses import StreamingResponse

Item = TypeVar("Item")
_END = object()


async def in_threads(items: Iterator[Item]) -> AsyncIterator[Item]:
    """The items of a blocking iterator."""
    try:
        while (item := await run_sync(next, items, _END)) is not _END:
            yield cast("Item", item)
    finally:
        with anyio.CancelScope(shield=True), contextlib.suppress(AttributeError):
            await run_sync(cast("Generator[Item, None, None]", items).close)


def event_stream(items: Iterator[Item], encode: Callable[[Item], bytes]) -> StreamingResponse:
    """An answer that is written as it comes.

    Args:
        items: What to send; its first item is asked for at once, so that what can be refused is
            refused with a status of its own.
        encode: An item as the bytes of an event.
    """
    first = next(items, _END)

    async def body() -> AsyncIterator[bytes]:
        if first is not _END:
            yield encode(cast("Item", first))
        async with contextlib.aclosing(in_threads(items)) as rest:  # type: ignore[type-var]
            async for item in rest:
                yield encode(item)

    return StreamingResponse(
        body(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
