"""The application: every router behind one guard.

app = create_app(ServiceSettings(root=Path("artifacts")))
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import torch
from anyio.to_thread import current_default_thread_limiter, run_sync
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response

from ttt import __version__
from ttt.api import problems
from ttt.api.gatekeeper import Gatekeeper
from ttt.api.handbook import STYLE, page
from ttt.api.metrics import Measured
from ttt.api.routers import chat, jobs, nano, openai, sleep, system, text
from ttt.api.service import Service
from ttt.api.settings import ServiceSettings
from ttt.lib.allocator import give_back
from ttt.settings import read_settings

GZIP_BYTES_MIN = 1024
TITLE = "ttt"
THREADS_BESIDE = 16
"""For streams and for what the service does by itself."""
TIDY_S = 5.0
"""Own: giving back costs milliseconds, and a message takes a hundred times as long to fill it."""
STATIC = Path(__file__).resolve().parent.parent / "ui" / "static"
"""The dashboard, built from `dashboard/`."""
DESCRIPTION = (
    "Models that learn at test time, made safe, observable and reversible. Every request but those "
    "for this page needs the token of the running service: Authorization: Bearer TOKEN."
)
ROUTERS = (
    system.router,
    nano.router,
    nano.base_router,
    chat.router,
    text.router,
    sleep.router,
    jobs.router,
    openai.router,
)


def create_app(settings: ServiceSettings | None = None) -> FastAPI:
    """Make the application.

    Args:
        settings: Where it reads and whom it answers; None takes the artifact tree that the
            environment names and draws a token.
    """
    settings = settings or ServiceSettings(root=read_settings().artifacts_root)
    service = Service.at(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        torch.set_num_threads(1)  # Sessions share the cores; more threads wait for each other.
        # A message that waits for a busy session holds a thread: there is one for each request.
        current_default_thread_limiter().total_tokens = settings.requests_max + THREADS_BESIDE
        service.jobs.start()
        async with anyio.create_task_group() as tidying:
            tidying.start_soon(_tidy)
            yield
            tidying.cancel_scope.cancel()
        await run_sync(service.jobs.stop)

    app = problems.Application(
        title=TITLE,
        description=DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(Measured, metrics=service.metrics),
            Middleware(Gatekeeper, settings=settings),
            Middleware(GZipMiddleware, minimum_size=GZIP_BYTES_MIN),
        ],
    )
    app.state.service = service
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    _add_handbook(app)
    # Last, for whatever no route has: the pages of the dashboard find their own way.
    app.frontend("/", directory=STATIC, fallback="index.html")
    return app


async def _tidy() -> None:
    """Hand freed memory back, now and then, as long as the service lives."""
    while True:
        await anyio.sleep(TIDY_S)
        await run_sync(give_back)


def _add_handbook(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))

    @app.get("/docs.css", include_in_schema=False)
    def style() -> Response:
        return Response(STYLE, media_type="text/css")
