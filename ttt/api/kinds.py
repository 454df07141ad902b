"""The kinds of jobs that the service offers, and the part of their options that a request may give.

A request names no file to write, no program and no address to ask; what it may read is what whoever
holds the token may read.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ttt.api.bodies import body_of, options_of
from ttt.errors import ConfigError
from ttt.jobs.kinds import Kind, Kinds, Result, Work
from ttt.lib.options import CommandOptions, Options
from ttt.lib.registry import Registry
from ttt.monitors.events import FlatEvent, MonitorEvent
from ttt.monitors.inputs import Meter, text_document
from ttt.monitors.options import MonitorOptions
from ttt.store.domains import NANO
from ttt.store.jobs import read_events
from ttt.store.models import check_new
from ttt.store.runs import list_runs
from ttt.store.sessions import open_session
from ttt.store.training_status import request_cancel
from ttt.store.trainings import read_request
from ttt.text_lm.resuming import check_name
from ttt.text_lm.sleep.options import SleepOptions
from ttt.text_lm.train_options import TrainOptions
from ttt_ssm_nano.replayer import NanoWorkshop
from ttt_ssm_nano.run import Stretch
from ttt_ssm_nano.session_options import InitBaseOptions, RunSessionOptions
from ttt_ssm_nano.session_run import check_run, live, steps_lived

MONITOR, TRAIN, SLEEP = "monitor", "train", "sleep"
NANO_BASE, NANO_RUN = "nano-base", "nano-run"
OFFERED: Final[Mapping[str, tuple[type[CommandOptions], frozenset[str]]]] = MappingProxyType(
    {
        MONITOR: (
            MonitorOptions,
            frozenset({"stdin", "file", "canary_pool", "write_json", "plot", "compare", "fail_on"}),
        ),
        TRAIN: (TrainOptions, frozenset({"fsdp", "plot", "resume", "cancel"})),
        SLEEP: (SleepOptions, frozenset({"reviewer_url", "reviewer_model"})),
        NANO_BASE: (InitBaseOptions, frozenset()),
        NANO_RUN: (RunSessionOptions, frozenset()),
    }
)
"""Each kind's options, and those of them that a request may not give."""
TITLE_CHARACTERS = 60


def request_of(kind: str) -> type[Options]:
    """What a request for a job of some kind may hold."""
    model, without = OFFERED[kind]
    return body_of(model, without)


class _Watcher:
    """Tells a job of every chunk of its run."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._chunks = 0

    def event(self, event: MonitorEvent, flat: FlatEvent) -> None:
        """Tell one chunk."""
        del event
        self._work.event(flat)
        self._chunks += 1
        self._work.tell("reading", self._chunks, 0)

    def finish(self, summary: Mapping[str, object]) -> None:
        """Tell what all chunks came to."""
        self._work.event({"summary": summary})


def _monitor(work: Work) -> Result:
    """Read a text while learning from it."""
    from ttt.monitors.command import documents_of
    from ttt.monitors.session import run_session

    options = _monitor_options(work.root, work.options)
    work.tell("opening", 0, 0)
    meter, before = Meter(), set(list_runs(work.root))
    run_session(options, list(documents_of(options, meter)), meter, watchers=[_Watcher(work)])
    return {"runs": sorted(set(list_runs(work.root)) - before)}


def _train(work: Work) -> Result:
    """Train a text model; an attempt that broke off goes on from its newest state."""
    from ttt.text_lm.train import train

    options = _train_options(work.root, work.options)
    if work.is_resumed and read_request(work.root, options.model_id) is not None:
        options = TrainOptions(artifacts_root=work.root, model_id=options.model_id, resume=True)
    made = train(options, root=work.root, progress=work.tell)
    return {"model_id": options.model_id, "held_out": dict(made.held_out) if made else {}}


def _sleep(work: Work) -> Result:
    """Sleep one night; an attempt that broke off has never been."""
    from ttt.text_lm.sleep.manifest import plain_night
    from ttt.text_lm.sleep.night import sleep

    night = plain_night(sleep(_sleep_options(work.root, work.options), progress=work.tell))
    work.event({"night": night})
    return {"candidate_id": night["candidate"]}


def _nano_base(work: Work) -> Result:
    """Pretrain the base of the nano sessions; an attempt that broke off has never been."""
    from ttt_ssm_nano.session_commands import init_base

    work.tell("pretraining", 0, 0)
    options = options_of(InitBaseOptions, _given(NANO_BASE, work.options), root=work.root, path={})
    return init_base(options, NanoWorkshop(work.root)).plain


def _nano_run(work: Work) -> Result:
    """Let a session live on its plant; an attempt that broke off goes on where it stood."""
    options = _nano_options(work.root, work.options)
    session = open_session(work.root, NANO, options.session_id)
    lived = 0
    if work.is_resumed:
        earlier = read_events(work.root, work.status.job_id).records
        lived = steps_lived(session, frozenset(str(one["run"]) for one in earlier if "run" in one))
        if options.run_id:  # The attempt before may have left a folder of that name.
            another = f"{options.run_id}-{work.status.attempt}"
            options = options.model_copy(update={"run_id": another})
    options = options.model_copy(update={"run_id": check_run(session, options)})
    work.event({"run": options.run_id})  # Whoever resumes knows by it what was lived.

    def told(stretch: Stretch) -> None:
        if stretch.learned is not None:
            work.event({**stretch.learned.event, "step": lived + stretch.stop})
        work.tell("living", lived + stretch.stop, options.steps)

    return live(options, NanoWorkshop(work.root), lived=lived, told=told).plain


def _nano_options(root: Path, given: Mapping[str, Any]) -> RunSessionOptions:
    return options_of(RunSessionOptions, _given(NANO_RUN, given), root=root, path={})


def _monitor_options(root: Path, given: Mapping[str, Any]) -> MonitorOptions:
    return options_of(MonitorOptions, _given(MONITOR, given), root=root, path={})


def _train_options(root: Path, given: Mapping[str, Any]) -> TrainOptions:
    return options_of(TrainOptions, _given(TRAIN, given), root=root, path={})


def _sleep_options(root: Path, given: Mapping[str, Any]) -> SleepOptions:
    return options_of(SleepOptions, _given(SLEEP, given), root=root, path={})


def _given(kind: str, given: Mapping[str, Any]) -> Options:
    return request_of(kind).model_validate(given)


def _check_monitor(root: Path, given: Mapping[str, Any]) -> str:
    options = _monitor_options(root, given)
    if options.text is not None:
        text_document(options.text)
        return " ".join(options.text[: 4 * TITLE_CHARACTERS].split())[:TITLE_CHARACTERS]
    if options.input_name is None:
        raise ConfigError("There is nothing to read; give text, demo or demo_high_entropy.")
    return options.input_name.replace("_", " ")


def _check_training(root: Path, given: Mapping[str, Any]) -> str:
    options = _train_options(root, given)
    check_name(options, root)
    return options.model_id


def _check_night(root: Path, given: Mapping[str, Any]) -> str:
    options = _sleep_options(root, given)
    if options.candidate_id:
        check_new(root, options.candidate_id)
    return options.base_model_id


def _check_base(root: Path, given: Mapping[str, Any]) -> str:
    options = options_of(InitBaseOptions, _given(NANO_BASE, given), root=root, path={})
    return f"{options.pretrain_steps} steps"


def _check_run(root: Path, given: Mapping[str, Any]) -> str:
    options = _nano_options(root, given)
    check_run(open_session(root, NANO, options.session_id), options)
    return options.session_id


def _cancel_training(root: Path, given: Mapping[str, Any]) -> None:
    request_cancel(root, _train_options(root, given).model_id)


def all_kinds() -> Kinds:
    """Every kind of job there is."""
    kinds: Kinds = Registry("kind of job")
    kinds.register(MONITOR, Kind(run=_monitor, check=_check_monitor))
    kinds.register(TRAIN, Kind(run=_train, check=_check_training, cancel=_cancel_training))
    kinds.register(SLEEP, Kind(run=_sleep, check=_check_night))
    kinds.register(NANO_BASE, Kind(run=_nano_base, check=_check_base))
    kinds.register(NANO_RUN, Kind(run=_nano_run, check=_check_run))
    return kinds
