"""Every commit of a session, read and verified: what `fsck`, `repair` and `gc` begin with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt.errors import CorruptArtifactError
from ttt.store import chain, commits, layout
from ttt.store.commits import Commit
from ttt.store.domains import DOMAINS, Domain, commits_folder, sessions_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a session's folder of commits holds."""

    session_id: str
    commits: Mapping[int, Commit]
    """Those that can be read, by number, ascending."""
    damage: Mapping[int, str]
    """Why the others cannot, by number."""
    missing: tuple[int, ...]
    """Numbers that are not there and that no repair declared lost."""
    strangers: tuple[str, ...]
    """Names that no commit has."""

    @property
    def newest(self) -> int:
        """The highest number that there is, or -1."""
        return max([*self.commits, *self.damage], default=-1)


def survey(root: Path, domain: Domain, session_id: str) -> Survey:
    """Read every commit of a session.

    Raises:
        FileNotFoundError: There is no such session.
        StorageError: The disk refused.
    """
    folder = commits_folder(root, domain, session_id)
    numbers, strangers = commits.entries(folder)
    found: dict[int, Commit] = {}
    damage: dict[int, str] = {}
    for n in numbers:
        try:
            found[n] = commits.read_in(folder, domain, session_id, n)
        except CorruptArtifactError as error:
            damage[n] = str(error)
    lost = chain.declared(found.values(), chain.LOST)
    missing = set(range(max(numbers, default=-1) + 1)).difference(numbers, lost)
    return Survey(
        session_id=session_id,
        commits=found,
        damage=damage,
        missing=tuple(sorted(missing)),
        strangers=tuple(strangers),
    )


def sessions_in(root: Path) -> Iterator[tuple[Domain, str]]:
    """Every session of every domain.

    Raises:
        StorageError: The disk refused.
    """
    for domain in DOMAINS.values():
        for session_id in layout.saved_ids(sessions_folder(root, domain)):
            yield domain, session_id


def broken_links(found: Mapping[int, Commit]) -> list[str]:
    """Why neighbours do not belong together, for each two that do not."""
    pairs = ((found[n - 1], commit) for n, commit in found.items() if n - 1 in found)
    return [damage for below, above in pairs if (damage := chain.link_damage(below, above))]


def untrue(found: Mapping[int, Commit], anchor: int) -> list[int]:
    """The numbers of readable commits that cannot belong to the same history as a trusted one.

    Each commit names the digest of the one before it. Downwards from the anchor this shows exactly
    which is the wrong one of two; upwards, the first that does not follow is wrong, and so is what
    follows it.

    Args:
        found: The commits that can be read, by number.
        anchor: The number of one that is right.
    """
    wrong: set[int] = set()
    for n in range(anchor - 1, -1, -1):
        above, below = found.get(n + 1), found.get(n)
        if above and below and n + 1 not in wrong and chain.link_damage(below, above):
            wrong.add(n)
    for n in sorted(k for k in found if k > anchor):
        below = found.get(n - 1)
        if below and bool(chain.link_damage(below, found[n])) != (n - 1 in wrong):
            wrong.add(n)
    return sorted(wrong)
