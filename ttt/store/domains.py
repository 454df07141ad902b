"""The families of sessions, and where each keeps what.

A domain is nothing but names: two families that follow the same protocol in two folders.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ttt.store import layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A family of sessions and where its views stand."""

    name: str
    """As commits and commands call it."""
    folder: str
    """Below the root of the artifact tree."""
    weights_view: str
    """File name of the newest weights."""
    optimizer_view: str = "optim_state.safetensors"
    """File name of the newest state of the update rule; the same bytes as the weights."""
    events_view: str = "update_events.jsonl"
    """File name of the events of all commits, one a line."""


NANO: Final = Domain(name="nano", folder="sessions", weights_view="plastic_state.safetensors")
TEXT: Final = Domain(
    name="text",
    folder="text_sessions",
    weights_view="context_state.safetensors",
    events_view="events.jsonl",
)
DOMAINS: Final[Mapping[str, Domain]] = MappingProxyType({one.name: one for one in (NANO, TEXT)})


def sessions_folder(root: Path, domain: Domain) -> Path:
    """The folder of all sessions of a domain."""
    return root / domain.folder


def session_folder(root: Path, domain: Domain, session_id: str) -> Path:
    """The folder of one session.

    Raises:
        ConfigError: The id cannot be one.
    """
    return root.joinpath(domain.folder, layout.check_id("session id", session_id))


def commits_folder(root: Path, domain: Domain, session_id: str) -> Path:
    """The folder of a session's commits: the authority on it.

    Raises:
        ConfigError: The id cannot be one.
    """
    return root.joinpath(domain.folder, layout.check_id("session id", session_id), "commits")
