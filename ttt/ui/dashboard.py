"""`python -m ttt.ui.dashboard`, and `uvicorn ttt.ui.dashboard:app`: the same service, its own port.

Under a bare uvicorn nothing here knows the port: what is printed goes behind the address that
uvicorn prints.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from ttt.api.settings import OTHER_PORT
from ttt.lib.flags import parse, run_command
from ttt.ui.serve import ListenOptions, serve

if TYPE_CHECKING:
    from fastapi import FastAPI


class DashboardOptions(ListenOptions):
    """Serve the dashboard and its API on one port."""

    port: int = Field(default=OTHER_PORT, ge=0, le=65535)
    """The port; 0 takes any that is free."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Serve until somebody stops it."""
    options = parse(
        DashboardOptions, argv, prog="python -m ttt.ui.dashboard", description=__doc__ or ""
    )
    return serve(options, [(options.port, "--port")])


def __getattr__(name: str) -> "FastAPI":
    """`app`, made when a server asks for it: importing this file makes nothing."""
    if name != "app":
        raise AttributeError(name)
    from ttt.api.app import create_app
    from ttt.lib.terminal import log_console, print_line

    made = create_app()
    token = made.state.service.settings.token
    print_line(
        log_console(), f"Open the address of this server with this behind it: /#token={token}"
    )
    globals()[name] = made
    return made


if __name__ == "__main__":
    sys.exit(main())
