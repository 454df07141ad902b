"""Power is lost at every moment of every workload, and after somebody went on behind a kill.

    python -m tests.crash.power states FOLDER [--share P] [--draws N] [--seed S]
    python -m tests.crash.power syncs FOLDER [--every-call]

Processes of their own, without a tensor library; each prints one JSON object. Each workload is run
and written down (`disk.py`); then the states that the disk may be found in are put on a real one
and read like any tree (`oracle.py`).

`states` takes workloads that nothing disturbs: of every moment the two extremes, and a share of all
else. `syncs` takes workloads that were killed somewhere, and what somebody did afterwards; it looks
when a request has just been acknowledged and nothing survives that was not synced. Then it does so
once for each `fsync` of the program as if that one were missing: one whose loss no state gives away
does nothing.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from tests.crash.disk import CHANGES, Sync
from tests.crash.judge import Judge, states
from tests.crash.recordings import Recording, killed, pictures_of, undisturbed
from tests.crash.steady import one_moment
from tests.crash.workloads import BESIDE, SEQUELS, WORKLOADS, Workload


def look_at_states(folder: Path, *, share: float, draws: int, seed: int) -> Mapping[str, object]:
    """Every workload that nothing disturbs, in every moment."""
    judge, draw, failures = Judge(folder), random.Random(seed), []
    moments = 0
    for recording in _undisturbed(folder, (*WORKLOADS, *BESIDE)):
        for found in states(recording, draws=draws, seed=seed):
            moments += found.is_extreme
            if found.is_extreme or draw.random() < share:
                wrong = judge.verdict(recording, found)
                failures += [f"{recording.shown}: {wrong}"] if wrong else []
    return {"moments": moments // 2, "states": judge.read, "failures": failures}


def look_at_syncs(folder: Path, *, calls: Sequence[str]) -> Mapping[str, object]:
    """Every `fsync` of the program, there and missing."""
    judge = Judge(folder)
    # Those that say most come first: somebody else goes on where somebody was killed.
    recordings = [*_killed(folder, SEQUELS, calls), *_undisturbed(folder, (*WORKLOADS, *BESIDE))]
    recordings += _killed(folder, WORKLOADS, calls)
    failures = [
        f"{one.shown}: {wrong}"
        for one in recordings
        for found in states(one, at_acknowledgements=True)
        if (wrong := judge.verdict(one, found))
    ]
    sound = judge.read
    by_site: dict[str, list[Recording]] = {}
    for one in recordings:
        for site in {done.site for done in one.operations if isinstance(done, Sync)}:
            by_site.setdefault(site, []).append(one)
    told = {site: _told(judge, some, site) for site, some in sorted(by_site.items())}
    return {
        "recordings": len(recordings),
        "states": sound,
        "states_without_a_sync": judge.read - sound,
        "syncs": told,
        "failures": failures,
    }


def _told(judge: Judge, recordings: Sequence[Recording], site: str) -> str:
    """How the loss of one `fsync` shows; empty if it does not."""
    quick = ((one, states(one, at_acknowledgements=True, without=site)) for one in recordings)
    thorough = ((one, states(one, draws=1, without=site)) for one in recordings)
    for recording, found in chain(quick, thorough):
        for one in found:
            if wrong := judge.verdict(recording, one, fscked=False):
                return f"{recording.shown}: {wrong}"
    return ""


def _undisturbed(folder: Path, workloads: Sequence[Workload]) -> Iterator[Recording]:
    for one in workloads:
        work = _work(folder, one)
        yield undisturbed(one, work, pictures_of(one, work / "pictures"))


def _killed(
    folder: Path, workloads: Sequence[Workload], calls: Sequence[str]
) -> Iterator[Recording]:
    for one in workloads:
        work = _work(folder, one)
        yield from killed(one, work, pictures_of(one, work / "pictures"), calls=calls)


def _work(folder: Path, workload: Workload) -> Path:
    work = folder / f"{len(list(folder.iterdir()))} {workload.name}"
    work.mkdir()
    return work


def main(arguments: Sequence[str] | None = None) -> int:
    """Look; print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("states", "syncs"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every-call", action="store_true")
    options = parser.parse_args(arguments)
    calls = CHANGES if options.every_call else ("fsync",)
    with one_moment():
        if options.what == "states":
            came = look_at_states(
                options.folder, share=options.share, draws=options.draws, seed=options.seed
            )
        else:
            came = look_at_syncs(options.folder, calls=calls)
    sys.stdout.write(json.dumps(came))
    return int(bool(came["failures"]))


if __name__ == "__main__":
    sys.exit(main())
