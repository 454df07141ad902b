"""Making a base, starting a session, running it: the nano domain's own commands as functions."""

from collections.abc import Mapping

from ttt.branching.answers import Answer, plain_session
from ttt.lib.terminal import progress
from ttt.store.base import save_base
from ttt.store.domains import NANO
from ttt.store.sessions import Draft, create_session
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import OnlineConfig, online
from ttt_ssm_nano.plant import draw_mu
from ttt_ssm_nano.plastic_ssm import ModelSize, encode_base
from ttt_ssm_nano.replayer import ONLINE, NanoWorkshop
from ttt_ssm_nano.session_options import (
    MU_DRAWN,
    InitBaseOptions,
    NewSessionOptions,
    RunSessionOptions,
)
from ttt_ssm_nano.session_run import live
from ttt_ssm_nano.session_state import encode_state

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
    with progress("steps", options.steps) as advance:
        return live(options, workshop, told=lambda stretch: advance(stretch.stop - stretch.start))


def learning(options: NewSessionOptions) -> OnlineConfig:
    """The settings that the options name, upon the measured ones of their rule."""
    given = {
        "chunk": options.chunk,
        "buffer_len": options.chunk,
        "rollback_tol": options.rollback_tol,
        "forgetting": options.forgetting,
    }
    return online(options.online, **given)
