"""Git for what sessions have learned, over HTTP: the same routes for every domain."""

from collections.abc import Callable

from fastapi import APIRouter

from ttt.api.routers.commands import Command, add_command
from ttt.api.service import Service
from ttt.branching import commands, store_commands
from ttt.branching import options as o
from ttt.branching.answers import Answer
from ttt.branching.workshop import Workshop
from ttt.lib.options import CommandOptions

_PARENT = {"session_id": "parent_session_id"}
REVIEW = frozenset({"review", "verdict", "note"})
"""Options of `outliers` that say something of an input, and so are for a POST alone."""
LOOKING = frozenset({"z", "limit", "everything"})
"""Those by which one looks through the queue."""


def session_routes(router: APIRouter, workshop_of: Callable[[Service], Workshop]) -> None:
    """Add the history's routes to a domain's router."""

    def on(name: str) -> Callable[[CommandOptions, Service], Answer]:
        run = {**commands.COMMANDS, **store_commands.COMMANDS}[name]
        return lambda options, here: run(options, workshop_of(here))

    one = "/{session_id}"
    for command in (
        Command(method="GET", path="", options=o.ListOptions, run=on("list_sessions")),
        Command(method="GET", path=one, options=o.ShowOptions, run=on("show_session")),
        Command(method="GET", path=f"{one}/log", options=o.LogOptions, run=on("log")),
        Command(method="GET", path=f"{one}/diff", options=o.DiffOptions, run=on("diff")),
        Command(method="GET", path=f"{one}/weights", options=o.WeightsOptions, run=on("weights")),
        Command(
            method="POST",
            path=f"{one}/fork",
            options=o.ForkOptions,
            run=on("fork_session"),
            status=201,
            rename=_PARENT,
        ),
        Command(
            method="POST",
            path=f"{one}/checkout",
            options=o.CheckoutOptions,
            run=on("checkout"),
            status=201,
        ),
        Command(method="POST", path=f"{one}/tag", options=o.TagOptions, run=on("tag")),
        Command(method="POST", path=f"{one}/revert", options=o.RevertOptions, run=on("revert")),
        Command(method="POST", path=f"{one}/bisect", options=o.BisectOptions, run=on("bisect")),
        Command(method="POST", path=f"{one}/blame", options=o.BlameOptions, run=on("blame")),
        Command(method="POST", path=f"{one}/merge", options=o.MergeOptions, run=on("merge")),
        Command(method="POST", path=f"{one}/repair", options=o.RepairOptions, run=on("repair")),
    ):
        add_command(router, command)


def anomaly_routes(
    router: APIRouter, path: str, workshop_of: Callable[[Service], Workshop]
) -> None:
    """Add the queue of inputs that stand out over all sessions of a domain."""
    run = commands.COMMANDS["outliers"]
    for method, without in (("GET", REVIEW), ("POST", LOOKING)):
        command = Command(
            method=method,
            path=path,
            options=o.OutliersOptions,
            run=lambda options, here: run(options, workshop_of(here)),
            without=without,
        )
        add_command(router, command)
