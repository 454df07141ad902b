"""What all routers share while the application lives: the tree, its domains, the live events."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from ttt.api.kinds import all_kinds
from ttt.api.live import LiveEvents
from ttt.api.metrics import Metrics
from ttt.api.settings import ServiceSettings
from ttt.api.worker import COMMAND
from ttt.jobs.supervisor import Supervisor
from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.workshop import TextWorkshop
from ttt_ssm_nano.replayer import NanoWorkshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The rooms, opened on one artifact tree. No session is opened at start."""

    settings: ServiceSettings
    chat: ChatRoom
    nano: NanoWorkshop
    live: LiveEvents
    metrics: Metrics
    jobs: Supervisor

    @classmethod
    def at(cls, settings: ServiceSettings) -> "Service":
        """Open the rooms."""
        live = LiveEvents()
        return cls(
            settings=settings,
            chat=ChatRoom(settings.root),
            nano=NanoWorkshop(settings.root),
            live=live,
            metrics=Metrics(),
            jobs=Supervisor(settings.root, all_kinds(), COMMAND, live.announce),
        )

    @property
    def root(self) -> Path:
        """The artifact tree."""
        return self.settings.root

    @property
    def text(self) -> TextWorkshop:
        """The chat domain."""
        return self.chat.workshop


def service_of(request: Request) -> Service:
    """The service that a request is made to."""
    service = request.app.state.service
    assert isinstance(service, Service), "the factory put it there"
    return service


Here = Annotated[Service, Depends(service_of)]
"""A parameter of an endpoint: the service."""
