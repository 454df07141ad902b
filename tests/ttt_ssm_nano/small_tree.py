"""An artifact tree with a base that was trained for a moment, and sessions that lived on it."""

from functools import cache
from pathlib import Path

import numpy as np

from ttt.store.base import save_base
from ttt.store.blobs import read_blob
from ttt.store.domains import NANO
from ttt.store.sessions import Draft, Session, append_commit, create_session
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import OnlineConfig, online
from ttt_ssm_nano.plant import PlantConfig, simulate
from ttt_ssm_nano.plastic_ssm import NanoBase, encode_base
from ttt_ssm_nano.pretraining import PretrainConfig, pretrain
from ttt_ssm_nano.replayer import ONLINE, NanoWorkshop
from ttt_ssm_nano.run import run_online
from ttt_ssm_nano.session_state import (
    ChunkInput,
    decode_state,
    encode_input,
    encode_state,
)


@cache
def small_base() -> NanoBase:
    """A base that predicts something."""
    return pretrain(PretrainConfig(steps=40))


def small_tree(root: Path) -> NanoWorkshop:
    """A tree with that base."""
    base = small_base()
    save_base(root, encode_base(base), base.meta)
    return NanoWorkshop(root)


def start(root: Path, session_id: str, config: OnlineConfig | None = None) -> Session:
    """A fresh session on the small base."""
    base, config = small_base(), online("rls") if config is None else config
    event = {
        "type": "init",
        "model_signature": base.signature,
        "base_ckpt_hash": base.digest,
        ONLINE: config.plain(),
        "env_mode": "linear",
        "mu": 0.1,
    }
    draft = Draft(state=encode_state(Learner(base, config).fresh()), event=event)
    return create_session(root, NANO, session_id, draft=draft)


def lessons(count: int, *, seed: int = 3, chunk: int = 32) -> list[ChunkInput]:
    """What a session would read of a plant, chunk by chunk."""
    learner = Learner(small_base(), online("rls", chunk=chunk, buffer_len=chunk))
    trajectory = simulate(PlantConfig(seed=seed, mu=0.1), count * chunk)
    return [s.chunk for s in run_online(learner, learner.fresh(), trajectory) if s.chunk]


def poisoned(chunk: ChunkInput, size: float) -> ChunkInput:
    """The same chunk with targets that lie, by an amount that no glitch rule looks at."""
    lie_TY = size * np.sign(np.sin(np.arange(chunk.y_TY.size))).reshape(chunk.y_TY.shape)
    return ChunkInput(h_S=chunk.h_S, x_TX=chunk.x_TX, y_TY=chunk.y_TY + lie_TY)


def teach(session: Session, learner: Learner, chunks: list[ChunkInput]) -> Session:
    """Learn and commit each chunk."""
    state = decode_state(read_blob(session.root, session.head.blob), learner.fresh())
    for chunk in chunks:
        learned = learner.learn(state, chunk)
        state = learned.state
        draft = Draft(
            state=encode_state(state), event=dict(learned.event), input=encode_input(chunk)
        )
        session = append_commit(session, draft)
    return session
