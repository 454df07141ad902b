"""Verifying a bundle from its first byte to its last, before anything is done with any of it.

Verified: every name, length and header, each commit's digest and its link to the one before, each
blob's digest and header, and that nothing is missing or left over. This finds every accident. It
proves no origin: whoever builds a bundle from scratch computes the digests too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Final

from ttt.branching import bundle
from ttt.branching.archive import MEMBER_BYTES_MAX, ArchiveReader
from ttt.branching.bundle import Manifest
from ttt.branching.lineage import Entry
from ttt.errors import ConfigError, CorruptArtifactError, InputError
from ttt.store import commits
from ttt.store.blobs import BlobRef, ref_of
from ttt.store.commits import COMMIT_BYTES_MAX, Commit, Place
from ttt.store.domains import Domain
from ttt.store.tensor_files import read_header

MANIFEST_BYTES_MAX: Final = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that was verified."""

    entries: tuple[Entry, ...]
    """The lineage, as it was where it comes from."""
    offsets: Mapping[BlobRef, int]
    """Where in the file each blob begins."""


def read_bundle(file: BufferedIOBase, *, where: str, domain: Domain) -> Bundle:
    """Verify a bundle.

    Args:
        file: At its beginning.
        where: Its name, for messages.
        domain: The family that the session must be of.

    Raises:
        InputError: It is no bundle, of another version, or of another domain.
        CorruptArtifactError: Something in it is not as it was written.
    """
    reader = ArchiveReader(file, where=where)
    try:
        manifest = _manifest(reader, where, domain)
        entries = _entries(reader, manifest)
        missing = _missing(manifest, entries)
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise CorruptArtifactError(f"{where} is damaged: {error}; export it again.") from error
    offsets = {}
    for ref in bundle.in_order((bundle.states(entries) | bundle.inputs(entries)) - missing):
        name = bundle.blob_name(ref)
        member = reader.next(name, bytes_max=min(ref.size, MEMBER_BYTES_MAX))
        if ref_of(member.data) != ref:
            raise CorruptArtifactError(f"{where} is damaged: {name} differs from its digest.")
        read_header(member.data, where=f"{where}: {name}")
        offsets[ref] = member.offset
    reader.end()
    return Bundle(entries=entries, offsets=offsets)


def fetch(file: BufferedIOBase, verified: Bundle, ref: BlobRef) -> bytes | None:
    """Read a blob of a verified bundle again; None if it was missing there too.

    The caller compares it with its digest: the file may have changed since.
    """
    if ref not in verified.offsets:
        return None
    file.seek(verified.offsets[ref])
    return file.read(ref.size)


def _manifest(reader: ArchiveReader, where: str, domain: Domain) -> Manifest:
    try:
        raw = reader.next(bundle.MANIFEST, bytes_max=MANIFEST_BYTES_MAX).data
    except CorruptArtifactError as error:
        raise InputError(f"{where} is no exported session; give a file that export wrote.") from (
            error
        )
    try:
        manifest = bundle.decode(raw)
    except bundle.OtherFormatError as error:
        raise InputError(
            f"{where} is of {error}; this program reads version {bundle.VERSION} of "
            f"{bundle.FORMAT!r}."
        ) from error
    if manifest.domain != domain.name:
        raise InputError(
            f"{where} holds a {manifest.domain} session, not a {domain.name} one; import it there."
        )
    return manifest


def _entries(reader: ArchiveReader, manifest: Manifest) -> tuple[Entry, ...]:
    """Read the commits; raises what parsing raises, and `ValueError` for all that does not hold."""
    found: list[Entry] = []
    for end in manifest.lineage:
        for n in range(end.n + 1):
            name = bundle.commit_name(len(found))
            commit = commits.decode(reader.next(name, bytes_max=COMMIT_BYTES_MAX).data)
            place = Place(session_id=end.session_id, n=n)
            if (commit.session_id, commit.n) != (place.session_id, place.n):
                raise ValueError(f"{name} is not commit {place.session_id}:{place.n}")
            found.append(Entry(place=place, commit=commit))
            _check_link(found, name)
    if found[0].commit.domain != manifest.domain:
        raise ValueError("its commits are of another domain than it says")
    return tuple(found)


def _check_link(entries: Sequence[Entry], name: str) -> None:
    """Refuse a commit that does not follow the one before it."""
    root, commit = entries[0].commit, entries[-1].commit
    before = entries[-2] if len(entries) > 1 else None
    if (commit.domain, commit.root_session_id) != (root.domain, root.session_id):
        raise ValueError(f"{name} belongs to another family")
    if commit.n == 0:
        sound = commit.prev == "" and commit.parent == (before.place if before else None)
        if _model(commit) != _model(root):
            raise ValueError(f"{name} belongs to another model")
    else:
        assert before is not None, "a session's first commit has number 0"
        sound = commit.prev == before.commit.digest and commit.parent is None
    if not sound:
        raise ValueError(f"{name} does not follow the commit before it")


def _model(commit: Commit) -> tuple[str, str]:
    signature, base = commit.event["model_signature"], commit.event["base_ckpt_hash"]
    if type(signature) is not str or type(base) is not str or not (signature and base):
        raise ValueError("a session's first commit names no model")
    return signature, base


def _missing(manifest: Manifest, entries: Sequence[Entry]) -> set[BlobRef]:
    known = {ref.sha256: ref for ref in bundle.may_be_missing(entries)}
    unknown = sorted(set(manifest.missing) - known.keys())
    if unknown:
        raise ValueError(f"it lacks {unknown[0][:80]!r}, which cannot be computed again")
    return {known[name] for name in manifest.missing}
