"""The queue of inputs that stand out, as a command: look through it, and say what one is."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ttt.branching.answers import REVIEWED, Answer
from ttt.branching.lineage import Entry, resolve, shown
from ttt.branching.options import OutliersOptions
from ttt.branching.outliers import Outlier, outliers
from ttt.branching.workshop import Workshop
from ttt.errors import ConfigError
from ttt.store.commits import Place
from ttt.store.domains import Domain, sessions_folder
from ttt.store.layout import saved_ids
from ttt.store.reviews import Review, put_review, read_reviews
from ttt.store.sessions import open_session, read_commits


def outliers_command(options: OutliersOptions, workshop: Workshop) -> Answer:
    """List what stands out, or review one of them."""
    root = options.artifacts_root
    if options.review:
        return _review(options, workshop)
    reviewed = _reviews(root, workshop.domain)
    found = [
        one
        for one in outliers(_commits(root, workshop.domain), workshop.figures, z_min=options.z)
        if options.everything or one.entry.place not in reviewed
    ]
    page = found[: options.limit]
    return Answer(
        plain={
            "found": len(found),
            "outliers": [_plain(one, reviewed) for one in page],
            "reviews": [_plain_review(place, one) for place, one in reviewed.items()],
        },
        columns=("commit", "event", "figure", "value", "z", "review"),
        rows=tuple(
            (
                shown(one.entry.place),
                one.entry.kind,
                one.figure,
                f"{one.value:.4g}",
                f"{one.z:+.1f}",
                reviewed[one.entry.place].verdict if one.entry.place in reviewed else "",
            )
            for one in page
        ),
        lines=(
            f"{len(found)} inputs stand out by {options.z:g} or more.",
            *(
                f"{shown(place)} is {REVIEWED[one.verdict]}: {one.note or 'no note'}"
                for place, one in reviewed.items()
                if one.verdict == "flag"
            ),
        ),
    )


def _review(options: OutliersOptions, workshop: Workshop) -> Answer:
    name, colon, _ = options.review.partition(":")
    if not colon:
        raise ConfigError(f"{options.review!r} names no commit; write it as alice:12.")
    session = open_session(options.artifacts_root, workshop.domain, name)
    place = resolve(session, options.review)
    put_review(session, Review(n=place.n, verdict=options.verdict, note=options.note))
    plain = {"reviewed": shown(place), "verdict": options.verdict, "note": options.note}
    return Answer.of_fields(plain)


def _commits(root: Path, domain: Domain) -> Iterator[Entry]:
    """Every commit of every session but the first ones."""
    for name in saved_ids(sessions_folder(root, domain)):
        session = open_session(root, domain, name)
        for commit in read_commits(session, 1, session.head.n + 1):
            yield Entry(place=Place(session_id=name, n=commit.n), commit=commit)


def _reviews(root: Path, domain: Domain) -> Mapping[Place, Review]:
    """The last word on each commit that has one, by session and number."""
    return {
        Place(session_id=name, n=n): review
        for name in saved_ids(sessions_folder(root, domain))
        for n, review in sorted(read_reviews(root, domain, name).items())
    }


def _plain_review(place: Place, review: Review) -> dict[str, object]:
    return {"commit": shown(place), "verdict": review.verdict, "note": review.note}


def _plain(one: Outlier, reviewed: Mapping[Place, Review]) -> dict[str, object]:
    review = reviewed.get(one.entry.place)
    return {
        "commit": shown(one.entry.place),
        "event": one.entry.kind,
        "figure": one.figure,
        "value": one.value,
        "z": one.z,
        "verdict": review.verdict if review else None,
        "note": review.note if review else None,
    }
