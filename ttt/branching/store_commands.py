"""Commands on the tree itself: verify it, prune it, repair a session, move one in or out."""

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Final

from ttt.branching import options as o
from ttt.branching.answers import Answer, plain_session
from ttt.branching.commands import Command
from ttt.branching.pt_transfer import like_session
from ttt.branching.transfer import export_session, import_session
from ttt.branching.workshop import Workshop
from ttt.store import fsck, gc, repair
from ttt.store.sessions import open_session


def gc_command(options: o.GcOptions, workshop: Workshop) -> Answer:
    """Remove what is not needed."""
    return Answer.of_fields(asdict(gc.collect(options.artifacts_root, keep=options.keep)))


def fsck_command(options: o.FsckOptions, workshop: Workshop) -> Answer:
    """Verify every byte of the tree."""
    return check_tree(options)


def check_tree(options: o.FsckOptions) -> Answer:
    """Verify every byte of the tree; no domain is asked."""
    report = fsck.fsck(options.artifacts_root)
    plain = asdict(report)
    figures = {name: value for name, value in plain.items() if name != "problems"}
    return Answer(
        plain={**figures, "problems": [asdict(one) for one in report.problems]},
        columns=("figure", "value"),
        rows=tuple(figures.items()),
        lines=tuple(f"{one.where}: {one.what}" for one in report.problems)
        or ("Nothing is damaged.",),
        ok=report.ok,
    )


def repair_command(options: o.RepairOptions, workshop: Workshop) -> Answer:
    """Let a damaged session go on from a sound commit."""
    session = repair.repair(
        options.artifacts_root, workshop.domain, options.session_id, to=options.to
    )
    return Answer.of_fields(plain_session(session, {}))


def export_command(options: o.ExportOptions, workshop: Workshop) -> Answer:
    """Write a session to a file or its weights to a folder."""
    session = open_session(options.artifacts_root, workshop.domain, options.session_id)
    export_session(session, options.out, pt=options.pt)
    plain = {"session_id": session.session_id, "head": session.head.n, "out": str(options.out)}
    return Answer.of_fields(plain)


def import_command(options: o.ImportOptions, workshop: Workshop) -> Answer:
    """Make a new session of an exported one."""
    root, domain = options.artifacts_root, workshop.domain
    like = like_session(open_session(root, domain, options.like)) if options.like else None
    session = import_session(root, domain, options.file, options.session_id, like=like)
    return Answer.of_fields(plain_session(session, {}))


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "gc": gc_command,
        "fsck": fsck_command,
        "repair": repair_command,
        "export": export_command,
        "import": import_command,
    }
)
"""What each command on the tree does; `options.py` has their options."""
