"""A session that lives on its plant for some steps.

Every chunk is one durable commit, learned or not, so that whatever breaks a run off leaves all that
was done before. Curves and tables are written once it ends, however it ends. A run that broke off
goes on at the step after its last commit, on the same plant, from a recurrent state of zero.
"""

from collections.abc import Callable
from typing import TypeAlias

from ttt.branching.answers import Answer
from ttt.errors import ConfigError
from ttt.lib.terminal import log_console, print_line
from ttt.store.blobs import read_blob
from ttt.store.domains import NANO
from ttt.store.session_runs import list_session_runs, save_session_run
from ttt.store.sessions import Draft, Session, append_commit, open_session, read_commit
from ttt_ssm_nano.curves import RunLog, rendered
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.replayer import NanoWorkshop, mode_of
from ttt_ssm_nano.run import Stretch, run_online
from ttt_ssm_nano.session_options import RunSessionOptions
from ttt_ssm_nano.session_state import decode_state, encode_input, encode_state

RUNS_MAX = 10_000
"""Names that are tried for a run that was given none."""
Told: TypeAlias = Callable[[Stretch], None]


def live(
    options: RunSessionOptions, workshop: NanoWorkshop, *, lived: int = 0, told: Told
) -> Answer:
    """Let a session live on its plant, committing each chunk, and save the curves.

    Args:
        options: The session, its plant, and for how long.
        workshop: The tree.
        lived: Steps of that plant that an earlier attempt has lived.
        told: Is called after each chunk, with steps counted from there.

    Raises:
        NotFoundError: There is no such session.
        SignatureMismatchError: It belongs to another base.
        ConflictError: Somebody else runs it at the same time; what this run had committed stays.
        KeyboardInterrupt: It was interrupted; what was committed stays, and its curves are saved.
    """
    session = open_session(workshop.root, NANO, options.session_id)
    learner = workshop.replayer(session).learner
    run_id = check_run(session, options)
    state = decode_state(read_blob(workshop.root, session.head.blob), learner.fresh())
    trajectory = simulate(_plant(session, options), options.steps).after(lived)
    meta = {"session": options.session_id, "rule": learner.config.rule, "seed": options.seed}
    log, interrupted = RunLog(trajectory=trajectory, meta=meta), False
    try:
        for stretch in run_online(learner, state, trajectory):
            log.add(stretch)
            session = _commit(session, stretch, run_id, lived)
            told(stretch)
    except KeyboardInterrupt:
        interrupted = True
    if log.stretches:
        folder = save_session_run(session, run_id, rendered(log))
        print_line(log_console(), f"Curves and tables are in {folder}.")
    if interrupted:
        raise KeyboardInterrupt
    plain = {"session_id": options.session_id, "run_id": run_id, "head": session.head.n}
    return Answer.of_fields({**plain, **log.summary()})


def steps_lived(session: Session, run_ids: frozenset[str]) -> int:
    """How far attempts at one run have come: the step of their newest commit, or 0."""
    for n in range(session.head.n, 0, -1):
        event = read_commit(session, n).event
        if event.get("run") in run_ids:
            step = event.get("step")
            return step if isinstance(step, int) else 0
    return 0


def _commit(session: Session, stretch: Stretch, run_id: str, lived: int) -> Session:
    """Commit a chunk, whatever became of it; the steps left at the end are none."""
    if stretch.chunk is None or stretch.learned is None:
        return session
    event = {**stretch.learned.event, "run": run_id, "step": lived + stretch.stop}
    # A chunk that is not finite was refused, left no trace, and cannot be saved.
    lesson = None if event["base_loss"] is None else encode_input(stretch.chunk)
    return append_commit(
        session, Draft(state=encode_state(stretch.state), event=event, input=lesson)
    )


def check_run(session: Session, options: RunSessionOptions) -> str:
    """The run's name; one that is taken is refused before anything is learned."""
    taken = set(list_session_runs(session))
    if not options.run_id:
        names = (f"run-{k:04d}" for k in range(1, RUNS_MAX))
        return next(name for name in names if name not in taken)
    if options.run_id in taken:
        raise ConfigError(
            f"Session {session.session_id!r} has a run {options.run_id!r} already; name another."
        )
    return options.run_id


def _plant(session: Session, options: RunSessionOptions) -> PlantConfig:
    mu = session.origin.event.get("mu")
    if not isinstance(mu, float):
        raise ConfigError(f"The first commit of session {session.session_id!r} names no friction.")
    return PlantConfig(
        seed=options.seed,
        mode=mode_of(session),
        mu=mu,
        noise_std=options.noise_std,
        glitch_at=options.glitch_at,
        jump_at=options.jump_at,
    )
