"""The options of every command on sessions; each is also the body of the request that does it.

A commit is named by its number, `head`, `head~2` or a tag; `OTHER:` before it, in another session.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field

from ttt.branching.pages import PAGE_MAX
from ttt.lib.flags import CommandOptions

Share = Annotated[float, Field(ge=0)]


class ListOptions(CommandOptions):
    """List the sessions."""

    offset: int = Field(default=0, ge=0)
    """Sessions to leave out first."""
    limit: int = Field(default=100, ge=1, le=PAGE_MAX)
    """Sessions to list at most."""


class SessionOptions(CommandOptions):
    """Options of a command on one session."""

    session_id: str = Field(examples=["ada"])
    """The session."""


class ShowOptions(SessionOptions):
    """Show a session, or one of its commits."""

    n: str = ""
    """The commit to show; empty shows the session."""


class LogOptions(SessionOptions):
    """List a session's commits, newest first, on through its forks."""

    offset: int = Field(default=0, ge=0)
    """Commits to leave out, from the head."""
    limit: int = Field(default=50, ge=1, le=PAGE_MAX)
    """Commits to list at most."""


class DiffOptions(SessionOptions):
    """Compare two commits, tensor by tensor."""

    a: str = "0"
    """The earlier commit."""
    b: str = "head"
    """The later commit."""
    everything: bool = False
    """Compare the rule's memory and the rest of the state too, not only the weights."""


class WeightsOptions(SessionOptions):
    """Show the weights of a commit: norms, singular values, entries."""

    n: str = "head"
    """The commit."""


class ForkOptions(CommandOptions):
    """Start a session at a commit of another; nothing is copied."""

    parent_session_id: str = Field(examples=["ada"])
    """The session to fork."""
    child_session_id: str = Field(examples=["ada-2"])
    """Name of the new session."""
    n: str = "head"
    """The commit to start from."""
    copy_optimizer: bool = False
    """Take the update rule's memory along; this is the default."""
    reset_optimizer: bool = False
    """Let the update rule's memory start afresh."""

    @property
    def optimizer(self) -> Literal["copy", "reset"]:
        """What becomes of the rule's memory."""
        return "reset" if self.reset_optimizer else "copy"


class CheckoutOptions(SessionOptions):
    """Start a branch at an earlier commit, named after it."""

    n: str = Field(examples=["12"])
    """The commit to go back to."""
    child_session_id: str = ""
    """Name of the branch; empty names it after the commit, as in `alice-at-12`."""


class TagOptions(SessionOptions):
    """Give a commit a name for good, or list the names there are."""

    name: str = ""
    """The name; empty lists the session's tags."""
    n: str = "head"
    """The commit to name."""


class RevertOptions(SessionOptions):
    """Take back what was learned from one input, as a new commit."""

    n: str = Field(examples=["12"])
    """The commit to take back; one that took back another brings that one in again."""
    method: Literal["replay", "subtract"] = "replay"
    """`replay` learns every later input again and is exact; `subtract` is at once, and says
    whether it is exact."""


class BisectOptions(SessionOptions):
    """Find the input after which a reading turned, by halving."""

    good: str = "0"
    """A commit where it had not turned yet."""
    bad: str = "head"
    """A later commit where it had."""
    probe: str = ""
    """What to measure each state on, in the domain's words; empty takes its default."""
    metric: str = ""
    """Read this figure of the recorded event (as in `heldout_after`) instead of measuring."""
    threshold: float | None = None
    """Where the reading turns; by default the middle between the two ends, which are measured."""
    turn: Literal["rise", "fall"] = "rise"
    """`rise`: it became too high (this broke it). `fall`: it became low (this taught it)."""


class BlameOptions(SessionOptions):
    """Rank the inputs by how far they moved a prediction."""

    good: str = "0"
    """The commit to start from."""
    bad: str = "head"
    """The last commit that counts."""
    probe: str = ""
    """What to predict, in the domain's words; empty takes its default."""
    top: int = Field(default=10, ge=1, le=PAGE_MAX)
    """How many inputs to name."""


class MergeOptions(SessionOptions):
    """Merge forks of one session into one of them, as a guarded change."""

    others: tuple[str, ...] = Field(examples=[["ada-2"]])
    """The sessions to merge in."""
    method: Literal["average", "task_arithmetic", "ties"] = "average"
    """How what they learned becomes one."""
    shares: tuple[Share, ...] = ()
    """Average: how much each counts, the session itself first; equal where not given."""
    scale: float = 1.0
    """Task arithmetic and TIES: factor on what is added."""
    keep: float = Field(default=0.2, gt=0, le=1)
    """TIES: share of each tensor's entries that stays."""


class OutliersOptions(CommandOptions):
    """List the inputs that stand out over all sessions, or say what one of them is."""

    z: float = Field(default=6.0, gt=0)
    """How far a figure must stand out, in robust standard deviations on a logarithmic scale."""
    limit: int = Field(default=50, ge=1, le=PAGE_MAX)
    """Inputs to list at most."""
    everything: bool = False
    """List those that were confirmed, dismissed or flagged already, too."""
    review: str = ""
    """A commit, as `alice:12`, to say something of."""
    verdict: Literal["confirm", "dismiss", "flag"] = "confirm"
    """It is what it looks like, it is harmless, or it is a case for the red team."""
    note: str = Field(default="", max_length=2000)
    """Why, for whoever reads it later."""


class GcOptions(CommandOptions):
    """Remove what nothing refers to; with `--keep` also old states that can be computed again."""

    keep: int | None = Field(default=None, ge=1)
    """Keep the states of this many commits of each session, of its ends, forks and tags; without
    it, every state stays."""


class FsckOptions(CommandOptions):
    """Verify every byte of the artifact tree."""


class RepairOptions(SessionOptions):
    """Let a damaged session go on from a sound commit; nothing is deleted."""

    to: int = Field(ge=0, examples=[12])
    """The commit whose state becomes the newest."""


class ExportOptions(SessionOptions):
    """Write a session with its whole past to one file."""

    out: Path
    """The file; with `--pt` the folder."""
    pt: bool = False
    """Write the newest weights as `plastic_state.pt` and `optim_state.pt` instead."""


class ImportOptions(SessionOptions):
    """Make a new session of an exported one, or of `.pt` weights."""

    file: Path
    """An exported session, a `plastic_state.pt` or a folder that holds one. A `.pt` file is opened
    in a child process with limits, because opening one can run code."""
    like: str = ""
    """The session that `.pt` weights belong to: the new one takes its model and settings."""


HISTORY: Final[Mapping[str, type[CommandOptions]]] = MappingProxyType(
    {
        "fork_session": ForkOptions,
        "list_sessions": ListOptions,
        "show_session": ShowOptions,
        "log": LogOptions,
        "diff": DiffOptions,
        "weights": WeightsOptions,
        "checkout": CheckoutOptions,
        "tag": TagOptions,
        "revert": RevertOptions,
        "bisect": BisectOptions,
        "blame": BlameOptions,
        "merge": MergeOptions,
        "outliers": OutliersOptions,
    }
)
"""The commands on the history; `commands.py` has their functions."""
UPKEEP: Final[Mapping[str, type[CommandOptions]]] = MappingProxyType(
    {
        "gc": GcOptions,
        "fsck": FsckOptions,
        "repair": RepairOptions,
        "export": ExportOptions,
        "import": ImportOptions,
    }
)
"""The commands on the tree; `store_commands.py` has their functions."""
