"""Bundles that were tampered with by somebody who computes every digest anew."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ttt.branching import bundle
from ttt.branching.archive import BLOCK, ArchiveReader, append_end, append_member
from ttt.store import commits, signed
from ttt.store.blobs import ref_of
from ttt.store.commits import Commit, Place
from ttt.store.exports import growing_output

Parts = dict[str, bytes]
"""The members of a bundle, by name, in order."""
REVERT_AT, FORK_AT = 7, 8
"""Where in the lineage of `test_transfer.family` these events stand."""


def members(data: bytes) -> Parts:
    """The parts of a bundle, by name, in order."""
    found, reader, at = {}, io.BytesIO(data), 0
    while name := data[at : at + 100].rstrip(b"\0").decode():
        reader.seek(at)
        member = ArchiveReader(reader, where="f").next(name, bytes_max=1 << 20)
        found[name] = member.data
        at = member.offset + -(-len(member.data) // BLOCK) * BLOCK
    return found


def build(path: Path, parts: Parts) -> Path:
    with growing_output(path) as file:
        for name, data in parts.items():
            append_member(file, name, data)
        append_end(file)
    return path


def recommitted(parts: Parts, k: int, **changes) -> Parts:
    """The same with one commit changed and given the right digest, as a forger would."""
    name = bundle.commit_name(k)
    commit = replace(commits.decode(parts[name]), **changes)
    return {**parts, name: commits.seal(commit)[1]}


def rechained(parts: Parts, k: int, **changes) -> Parts:
    """As `recommitted`, with every later link of that session made right."""
    parts = recommitted(parts, k, **changes)
    while (name := bundle.commit_name(k + 1)) in parts and commits.decode(parts[name]).n:
        before = commits.decode(parts[bundle.commit_name(k)])
        parts = recommitted(parts, k + 1, prev=before.digest)
        k += 1
    return parts


def remanifested(parts: Parts, **changes) -> Parts:
    plain = signed.unseal(parts[bundle.MANIFEST], indent=2)
    del plain[signed.SUM]
    return {**parts, bundle.MANIFEST: signed.seal({**plain, **changes}, indent=2)}


def without(parts: Parts, name: str) -> Parts:
    return {one: data for one, data in parts.items() if one != name}


def first_blob(parts: Parts) -> str:
    return next(name for name in parts if name.startswith("objects/"))


def commit(parts: Parts, k: int) -> Commit:
    return commits.decode(parts[bundle.commit_name(k)])


def with_bad_header(parts: Parts) -> Parts:
    """A lesson exchanged for bytes that no reader of tensors should be given."""
    bomb = (1 << 30).to_bytes(8, "little") + b"{}"
    old = commit(parts, 1).input
    assert old is not None
    parts = rechained(parts, 1, input=ref_of(bomb))
    blobs = {n: d for n, d in parts.items() if n.startswith("objects/")}
    del blobs[bundle.blob_name(old)]
    blobs[bundle.blob_name(ref_of(bomb))] = bomb
    rest = {n: d for n, d in parts.items() if not n.startswith("objects/")}
    return {**rest, **dict(sorted(blobs.items()))}


NAME_1, NAME_2, NAME_3 = (bundle.commit_name(k) for k in (1, 2, 3))
APART = "does not follow the commit before"
ASTRAY = "does not follow where it should"
LACKING = "which cannot be computed again"


def altered(name: str, alter: Callable[[bytes], bytes]) -> Callable[[Parts], Parts]:
    return lambda parts: {**parts, name: alter(parts[name])}


def altered_blob(alter: Callable[[bytes], bytes]) -> Callable[[Parts], Parts]:
    return lambda parts: altered(first_blob(parts), alter)(parts)


def committed(k: int, **changes: object) -> Callable[[Parts], Parts]:
    return lambda parts: rechained(parts, k, **changes)


def told(k: int, **changes: object) -> Callable[[Parts], Parts]:
    """A commit whose event says something else."""
    return lambda parts: rechained(parts, k, event={**commit(parts, k).event, **changes})


def listed(**changes: object) -> Callable[[Parts], Parts]:
    return lambda parts: remanifested(parts, **changes)


def said_missing(choose: Callable[[Parts], str]) -> Callable[[Parts], Parts]:
    return lambda parts: remanifested(parts, missing=[choose(parts)])


def at(session_id: str, n: object) -> dict[str, object]:
    return {"session_id": session_id, "n": n}


FORGED: dict[str, tuple[Callable[[Parts], Parts], str]] = {
    "a commit twice": (lambda p: {**p, NAME_1: p[NAME_2]}, "not commit alice:1"),
    "two exchanged": (lambda p: {**p, NAME_1: p[NAME_2], NAME_2: p[NAME_1]}, "not commit alice:1"),
    "a commit left out": (lambda p: without(p, NAME_3), ASTRAY),
    "a commit forged": (lambda p: recommitted(p, 1, time="now"), APART),
    "a byte of it": (altered(NAME_1, lambda b: b.replace(b"alice", b"alicf")), "digest does not"),
    "a commit of another kind": (altered(NAME_1, lambda _: b"[]"), "digest does not match"),
    "a fork from elsewhere": (committed(FORK_AT, parent=Place(session_id="alice", n=3)), APART),
    "a fork from nowhere": (committed(FORK_AT, parent=None), APART),
    "a root with a parent": (committed(0, parent=Place(session_id="eve", n=0)), APART),
    "a link with a parent": (committed(1, parent=Place(session_id="alice", n=0)), APART),
    "a root that goes on": (committed(0, prev="0" * 64), APART),
    "a fork of another model": (told(FORK_AT, model_signature="other"), "another model"),
    "a fork of another base": (told(FORK_AT, base_ckpt_hash="other"), "another model"),
    "no model": (committed(0, event={"type": "init"}), "model_signature"),
    "a model that is a number": (told(0, model_signature=5), "names no model"),
    "another family": (committed(2, root_session_id="eve"), "another family"),
    "another domain": (committed(2, domain="text"), "another family"),
    "a revert of itself": (told(REVERT_AT, target=at("alice", 7)), "alice:7, which is not before"),
    "a revert of another": (told(REVERT_AT, target=at("eve", 0)), "eve:0, which is not before"),
    "a revert of nothing": (committed(REVERT_AT, event={"type": "revert"}), "names no commit"),
    "a blob changed": (altered_blob(lambda b: b[:-1] + b"\xff"), "differs from its digest"),
    "a blob shortened": (altered_blob(lambda b: b[:-1]), "differs from its digest"),
    "a blob lengthened": (altered_blob(lambda b: b + b"\0"), "is the most"),
    "a blob left out": (lambda p: without(p, first_blob(p)), ASTRAY),
    "a blob too many": (lambda p: {**p, "objects/x.safetensors": b""}, "stands behind"),
    "a name that climbs": (
        lambda p: {("objects/../../x" if n == first_blob(p) else n): d for n, d in p.items()},
        ASTRAY,
    ),
    "a blob of no tensors": (with_bad_header, "not a valid safetensors file"),
    "a missing input": (said_missing(lambda p: commit(p, 1).input.sha256), LACKING),
    "a missing head": (said_missing(lambda p: commit(p, 12).blob.sha256), LACKING),
    "a missing revert": (said_missing(lambda p: commit(p, REVERT_AT).blob.sha256), LACKING),
    "a missing unknown": (said_missing(lambda _: "../../x"), LACKING),
    "missing in disorder": (listed(missing=["b", "a"]), "not in order"),
    "missing are lists": (listed(missing=[[1]]), "is damaged"),
    "a lineage of nothing": (listed(lineage=[]), "through none"),
    "a lineage in a circle": (listed(lineage=[at("alice", 1)] * 2), "through a session twice"),
    "a lineage without end": (listed(lineage=[at("alice", 10**12)]), "more than 100000 commits"),
    "a lineage of booleans": (listed(lineage=[at("alice", True)]), "cannot be one"),
    "a lineage before it began": (listed(lineage=[at("alice", -1)]), "cannot be one"),
    "a lineage cut short": (listed(lineage=[at("alice", 2)]), ASTRAY),
    "a lineage that is text": (listed(lineage="alice"), "is damaged"),
    "one more field": (listed(more=1), "not those of a bundle"),
    "a byte of the manifest": (
        altered(bundle.MANIFEST, lambda b: b.replace(b"alice", b"alicf")), "digest does not match",
    ),
}  # fmt: skip
"""What somebody did, and a part of the answer."""
