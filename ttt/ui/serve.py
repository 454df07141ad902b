"""`ttt serve`: the service on this machine, its address printed once with its token.

Listens on 127.0.0.1 only, unless `--allow_remote` says otherwise; then the token comes from a file
that its owner alone can read. The token is drawn anew at each start, stands in a file of mode 0600
outside of the artifact tree while the service runs, and is handed to a browser as the fragment of
the address, which no browser sends.
"""

import os
import signal
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from pydantic import Field

from ttt.api.settings import API_PORT, DASHBOARD_PORT, LOCAL_HOSTS, ServiceSettings, new_token
from ttt.errors import ConfigError
from ttt.lib.entry import EXIT_OK
from ttt.lib.flags import CommandOptions, parse, run_command
from ttt.lib.terminal import log_console, print_line

if TYPE_CHECKING:
    import socket

LOCAL: Final = ("127.0.0.1", "localhost", "::1")
GRACE_S: Final = 5
"""What an answer under way may still take when the service is stopped."""


class ListenOptions(CommandOptions):
    """Where a program of the service listens, and to whom."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """The address to listen on."""
    port: int = Field(default=API_PORT, ge=0, le=65535)
    """The port; 0 takes any that is free."""
    allow_remote: bool = False
    """Listen on an address that other machines reach; needs --token_file."""
    allow_host: tuple[str, ...] = ()
    """Further host names under which the service answers."""
    allow_origin: tuple[str, ...] = ()
    """Origins that may ask from a browser beside the service's own."""
    token_file: Path | None = None
    """Take the token from this file, of mode 0600, instead of drawing one."""
    example: bool = False
    """Place a small real example in a tree that is empty, before serving it."""


class ServeOptions(ListenOptions):
    """Serve the API and the dashboard from one process."""

    dashboard_port: int = Field(default=DASHBOARD_PORT, ge=-1, le=65535)
    """A second port of the same service, where people look for the dashboard; -1 opens none."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Serve until somebody stops it."""
    options = parse(ServeOptions, argv, prog="ttt serve", description=__doc__ or "")
    ports = [(options.port, "--port")]
    if options.dashboard_port >= 0:
        ports.append((options.dashboard_port, "--dashboard_port"))
    return serve(options, ports)


def serve(options: ListenOptions, ports: Sequence[tuple[int, str]]) -> int:
    """Bind the ports, print the address, and answer until somebody stops it.

    Args:
        options: Where and for whom.
        ports: Each with the option that names it; the last one is what people are sent to.

    Raises:
        ConfigError: A port is taken, or the address is not allowed.
    """
    # Here, so that help and a port that is taken are answered at once.
    from ttt.ui.ports import bound

    settings = settings_of(options)
    sockets = [bound(options.host, port, option=option) for port, option in ports]
    port = sockets[-1].getsockname()[1]
    path = token_path(port)
    from ttt.store.exports import remove_secret, write_secret
    from ttt.ui.example import is_empty, place_example

    if options.example and is_empty(options.artifacts_root):
        place_example(options.artifacts_root)

    # The server stops cleanly on SIGTERM and then sends it once more: without this the process
    # would end there, and the token's file would stay.
    signal.signal(signal.SIGTERM, _ended)
    write_secret(path, settings.token.encode())
    try:
        host = f"[{options.host}]" if ":" in options.host else options.host
        print_line(log_console(), f"Serving {options.artifacts_root} (Ctrl-C stops it). Open:")
        print_line(log_console(), f"http://{host}:{port}/#token={settings.token}")
        print_line(log_console(), f"For other programs: the token is in {path}")
        run(settings, sockets)
    finally:
        remove_secret(path)
    return EXIT_OK


def _ended(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def run(settings: ServiceSettings, sockets: list["socket.socket"]) -> None:
    """Answer until somebody stops it."""
    import uvicorn

    from ttt.api.app import create_app
    from ttt.ui.log import log_as_json

    log_as_json()
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run(sockets=sockets)


def settings_of(options: ListenOptions) -> ServiceSettings:
    """What the service is started with.

    Raises:
        ConfigError: The address needs leave, or the token's file cannot be trusted.
    """
    if options.host not in LOCAL and not options.allow_remote:
        raise ConfigError(
            f"--host {options.host} is reached by other machines; if that is meant, add "
            "--allow_remote and --token_file."
        )
    if options.allow_remote and options.token_file is None:
        raise ConfigError("--allow_remote needs --token_file, a file of mode 0600 with the token.")
    token = new_token() if options.token_file is None else read_token(options.token_file)
    return ServiceSettings(
        root=options.artifacts_root,
        token=token,
        hosts=(*LOCAL_HOSTS, *options.allow_host),
        origins=options.allow_origin,
    )


def read_token(path: Path) -> str:
    """The token of a file that its owner alone can read.

    Raises:
        ConfigError: It is not there, others can read it, or it holds no token.
    """
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the token file {path}: {error}.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"Others can read the token file {path}; run chmod 600 on it.")
    return token


def token_path(port: int) -> Path:
    """Where the token of a running service stands, outside of the artifact tree."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or str(Path.home() / ".cache")
    return Path(folder) / "ttt" / f"token-{port}"


if __name__ == "__main__":
    sys.exit(main())
