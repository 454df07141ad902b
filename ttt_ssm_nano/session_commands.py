"""Making a base, starting a session, running it: the nano domain's own commands as functions.

Every chunk of a run is one durable commit, learned or not, so that whatever breaks a run off leaves
all that was done before. The curves and tables of a run are written once it ends, however it ends.
"""

from collections.abc import Mapping

from ttt.branching.answers import Answer, plain_session
from ttt.errors import ConfigError
from ttt.lib.terminal import log_console, print_line, progress
from ttt.store.base import save_base
from ttt.store.blobs import read_blob
from ttt.store.domains import NANO
from ttt.store.session_runs import list_session_runs, save_session_run
from ttt.store.sessions import Draft, Session, append_commit, create_session, open_session
from ttt_ssm_nano.curves import RunLog, rendered
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import OnlineConfig, online
from ttt_ssm_nano.plant import PlantConfig, draw_mu, simulate
from ttt_ssm_nano.plastic_ssm import ModelSize, encode_base
from ttt_ssm_nano.replayer import ONLINE, NanoWorkshop, mode_of
from ttt_ssm_nano.run import Stretch, run_online
from ttt_ssm_nano.session_options import (
    MU_DRAWN,
    InitBaseOptions,
    NewSessionOptions,
    RunSessionOptions,
)
from ttt_ssm_nano.session_state import decode_state, encode_input, encode_state

RUNS_MAX = 10_000
"""Names that are tried for a run that was given none."""


def init_base(options: InitBaseOptions, workshop: NanoWorkshop) -> Answer:
    """Pretrain the tree's base.

    Raises:
        ConfigError: Sessions run on another base already.
        TrainingDivergedError: The loss stopped being finite.
    """
    # Here, because only this command needs a tensor library, which takes its time.
    import torch

    from ttt_ssm_nano.pretraining import PretrainConfig, pretrain

    torch.set_num_threads(1)  # More only wait for each other at these sizes.
    config = PretrainConfig(
        seed=options.seed,
        mode=options.env_mode,
        size=ModelSize(u_dim=options.u_dim, n_state=options.n_state),
        steps=options.pretrain_steps,
        batch=options.pretrain_batch,
        seq=options.pretrain_seq,
    )
    base = pretrain(config)
    saved = save_base(workshop.root, encode_base(base), base.meta)
    plain = {"base_ckpt_hash": saved.sha256, "model_signature": base.signature, **saved.meta}
    return Answer.of_fields(plain)


def new_session(options: NewSessionOptions, workshop: NanoWorkshop) -> Answer:
    """Start a session on the base.

    Raises:
        NotFoundError: There is no base yet.
        ConfigError: The id is taken or cannot be used.
    """
    base, config = workshop.base(), learning(options)
    mode = str(base.meta["env_mode"])
    mu = options.mu if options.mu != MU_DRAWN else draw_mu(options.seed, options.session_id)
    event: Mapping[str, object] = {
        "type": "init",
        "model_signature": base.signature,
        "base_ckpt_hash": base.digest,
        ONLINE: config.plain(),
        "env_mode": mode,
        "mu": mu,
    }
    state = encode_state(Learner(base, config).fresh())
    draft = Draft(state=state, event=event)
    session = create_session(workshop.root, NANO, options.session_id, draft=draft)
    return Answer.of_fields({**plain_session(session, {}), "online": options.online})


def run_session(options: RunSessionOptions, workshop: NanoWorkshop) -> Answer:
    """Let a session live on its plant, committing each chunk, and save the curves.

    Raises:
        NotFoundError: There is no such session.
        SignatureMismatchError: It belongs to another base.
        ConflictError: Somebody else runs it at the same time; what this run had committed stays.
        KeyboardInterrupt: It was interrupted; what was committed stays, and its curves are saved.
    """
    session = open_session(workshop.root, NANO, options.session_id)
    learner = workshop.replayer(session).learner
    run_id = _run_id(session, options)
    state = decode_state(read_blob(workshop.root, session.head.blob), learner.fresh())
    trajectory = simulate(_plant(session, options), options.steps)
    meta = {"session": options.session_id, "rule": learner.config.rule, "seed": options.seed}
    log, interrupted = RunLog(trajectory=trajectory, meta=meta), False
    try:
        with progress("steps", options.steps) as advance:
            for stretch in run_online(learner, state, trajectory):
                log.add(stretch)
                session = _commit(session, stretch, run_id)
                advance(stretch.stop - stretch.start)
    except KeyboardInterrupt:
        interrupted = True
    if log.stretches:
        folder = save_session_run(session, run_id, rendered(log))
        print_line(log_console(), f"Curves and tables are in {folder}.")
    if interrupted:
        raise KeyboardInterrupt
    plain = {"session_id": options.session_id, "run_id": run_id, "head": session.head.n}
    return Answer.of_fields({**plain, **log.summary()})


def _commit(session: Session, stretch: Stretch, run_id: str) -> Session:
    """Commit a chunk, whatever became of it; the steps left at the end are none."""
    if stretch.chunk is None or stretch.learned is None:
        return session
    event = {**stretch.learned.event, "run": run_id, "step": stretch.stop}
    # A chunk that is not finite was refused, left no trace, and cannot be saved.
    lesson = None if event["base_loss"] is None else encode_input(stretch.chunk)
    return append_commit(
        session, Draft(state=encode_state(stretch.state), event=event, input=lesson)
    )


def _run_id(session: Session, options: RunSessionOptions) -> str:
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


def learning(options: NewSessionOptions) -> OnlineConfig:
    """The settings that the options name, upon the measured ones of their rule."""
    given = {
        "chunk": options.chunk,
        "buffer_len": options.chunk,
        "rollback_tol": options.rollback_tol,
        "forgetting": options.forgetting,
    }
    return online(options.online, **given)
