"""What the service is started with: where it reads, whom it answers, how much it takes at once."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ttt.errors import ConfigError

API_PORT: Final = 13579
DASHBOARD_PORT: Final = 5173
OTHER_PORT: Final = 6677
"""Of `python -m ttt.ui.dashboard`."""
LOCAL_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
BODY_BYTES_MAX: Final = 1 << 20
REQUESTS_MAX: Final = 64
"""Requests that are answered at once; the next one is told to come back."""
TOKEN_BYTES: Final = 32


def new_token() -> str:
    """A token for one start of the service, 256 bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Everything the application depends on; made once at start."""

    root: Path
    """The artifact tree."""
    token: str = field(default_factory=new_token, repr=False)
    """What every request but those for static files must show."""
    hosts: tuple[str, ...] = LOCAL_HOSTS
    """Host names, without a port, under which the service answers."""
    origins: tuple[str, ...] = ()
    """Origins that may ask from a browser beside the service's own, as in a development server."""
    body_bytes_max: int = BODY_BYTES_MAX
    requests_max: int = REQUESTS_MAX

    def __post_init__(self) -> None:
        if len(self.token) < 16:
            raise ConfigError("A token has at least 16 characters; leave it out to draw one.")
        if not self.hosts:
            raise ConfigError("The service needs at least one host name to answer to.")
        if self.body_bytes_max < 1 or self.requests_max < 1:
            raise ConfigError("body_bytes_max and requests_max must be at least 1.")
