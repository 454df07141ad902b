"""A session as one file: its whole past across forks, and every state and input it refers to.

    bundle.json                    through which sessions it came, and which blobs were pruned
    commits/00000000.json          the commits of that lineage, byte for byte, oldest first
    objects/<sha256>.safetensors   states and inputs, by digest

This module says what stands where and writes it; `bundle_reading.py` verifies and reads it. Not in
it: tags, runs and views, which belong to the tree and not to the past.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from ttt.branching.archive import append_end, append_member
from ttt.branching.lineage import Entry, lineage
from ttt.errors import ConfigError, CorruptArtifactError, MissingBlobError
from ttt.store import commits, signed
from ttt.store.blobs import BlobRef, has_blob, read_blob
from ttt.store.chain import LOST_STATES, declared
from ttt.store.commits import Place
from ttt.store.exports import growing_output
from ttt.store.sessions import Session
from ttt.store.tensor_files import read_header

FORMAT: Final = "ttt-session"
VERSION: Final = 1
MANIFEST: Final = "bundle.json"
COMMITS_MAX: Final = 100_000
"""Of a lineage. Source: own; they are held in memory while they are verified."""
_INDENT: Final = 2
_FIELDS: Final = {"format", "version", "domain", "lineage", "missing", signed.SUM}


class OtherFormatError(ValueError):
    """Sound, but written by a program that knows more than this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What `bundle.json` says."""

    domain: str
    """Name of the session's domain."""
    lineage: tuple[Place, ...]
    """The last commit of each session on the way, oldest first; the session itself is the last."""
    missing: tuple[str, ...]
    """Digests of the blobs that were pruned or lost where the bundle was written, sorted."""


def write_bundle(session: Session, out: Path) -> None:
    """Write a session's past to one file; equal pasts give equal bytes.

    Args:
        session: A sound one.
        out: What the person named; replaced if it is there.

    Raises:
        ConfigError: The past is too long, or no file can stand there.
        CorruptArtifactError: A commit, an input or the newest state is damaged or missing.
        StorageError: The disk refused; an old file is untouched.
    """
    entries = lineage(session)
    if len(entries) > COMMITS_MAX:
        raise ConfigError(f"A past of {len(entries)} commits is too long; {COMMITS_MAX} is most.")
    missing = {ref for ref in may_be_missing(entries) if not has_blob(session.root, ref)}
    manifest = Manifest(
        domain=session.domain.name,
        lineage=tuple(stretch[-1].place for _, stretch in _stretches(entries)),
        missing=tuple(sorted(ref.sha256 for ref in missing)),
    )
    with growing_output(out) as file:
        append_member(file, MANIFEST, encode(manifest))
        for k, entry in enumerate(entries):
            append_member(file, commit_name(k), commits.seal(entry.commit)[1])
        for ref in in_order((states(entries) | inputs(entries)) - missing):
            append_member(file, blob_name(ref), _kept(session.root, ref))
        append_end(file)


def encode(manifest: Manifest) -> bytes:
    """The bytes of `bundle.json`."""
    return signed.seal(
        {
            "format": FORMAT,
            "version": VERSION,
            "domain": manifest.domain,
            "lineage": [{"session_id": one.session_id, "n": one.n} for one in manifest.lineage],
            "missing": list(manifest.missing),
        },
        indent=_INDENT,
    )


def decode(raw: bytes) -> Manifest:
    """Read `bundle.json`.

    Raises:
        OtherFormatError: It is of another format or version.
        ValueError, KeyError, TypeError: It is not as it was written.
    """
    plain = signed.unseal(raw, indent=_INDENT)
    if (plain["format"], plain["version"]) != (FORMAT, VERSION):
        raise OtherFormatError(f"version {plain['version']!r} of {plain['format']!r}")
    if plain.keys() != _FIELDS:
        raise ValueError("its fields are not those of a bundle")
    ends = tuple(_place(one) for one in plain["lineage"])
    if len({end.session_id for end in ends}) != len(ends) or not ends:
        raise ValueError("its lineage runs through a session twice, or through none")
    if sum(end.n + 1 for end in ends) > COMMITS_MAX:
        raise ValueError(f"its past has more than {COMMITS_MAX} commits")
    if sorted(set(plain["missing"])) != plain["missing"]:
        raise ValueError("its list of missing blobs is not in order")
    return Manifest(domain=str(plain["domain"]), lineage=ends, missing=tuple(plain["missing"]))


def states(entries: Iterable[Entry]) -> set[BlobRef]:
    """Every state of a lineage."""
    return {entry.commit.blob for entry in entries}


def inputs(entries: Iterable[Entry]) -> set[BlobRef]:
    """Every input of a lineage."""
    return {entry.commit.input for entry in entries if entry.commit.input is not None}


def may_be_missing(entries: Sequence[Entry]) -> set[BlobRef]:
    """The blobs that a sound tree may lack: as `fsck` sees it, for a past laid out in one row.

    These are states that follow from an input, but for the first and the newest, and the states
    and inputs that a repair gave up.
    """
    given_up = {
        Place(session_id=name, n=n)
        for name, stretch in _stretches(entries)
        for n in declared([entry.commit for entry in stretch], LOST_STATES)
    }
    needed = {entries[-1].commit.blob}
    for k, entry in enumerate(entries):
        if entry.place not in given_up:
            lesson = entry.commit.input
            needed |= {entry.commit.blob} if k == 0 or lesson is None else {lesson}
    return (states(entries) | inputs(entries)) - needed


def in_order(refs: Iterable[BlobRef]) -> list[BlobRef]:
    """As blobs stand in a bundle."""
    return sorted(refs, key=lambda ref: (ref.sha256, ref.size))


def commit_name(k: int) -> str:
    """The name of commit number `k` of the lineage."""
    return f"commits/{k:08d}.json"


def blob_name(ref: BlobRef) -> str:
    """The name of a blob."""
    return f"objects/{ref.sha256}.safetensors"


def _stretches(entries: Iterable[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """The commits of each session on the way."""
    for name, stretch in groupby(entries, key=lambda entry: entry.place.session_id):
        yield name, list(stretch)


def _kept(root: Path, ref: BlobRef) -> bytes:
    try:
        data = read_blob(root, ref)
    except MissingBlobError as error:
        raise CorruptArtifactError(f"The blob {ref.sha256} is missing; run fsck.") from error
    read_header(data, where=blob_name(ref))  # Else it could be written, and not be read again.
    return data


def _place(plain: dict[str, Any]) -> Place:
    session_id, n = plain["session_id"], plain["n"]
    if type(session_id) is not str or type(n) is not int or n < 0 or len(plain) != 2:
        raise ValueError("its lineage names a commit that cannot be one")
    return Place(session_id=session_id, n=n)
