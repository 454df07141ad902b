"""How long a page of anything may be: of commits, sessions, inputs."""

from typing import Final

PAGE_MAX: Final = 500
"""Rows. Source: own; a page of the service is no longer."""
