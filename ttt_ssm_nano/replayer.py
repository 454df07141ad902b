"""What the nano domain lends to git for its weights: learn again, take out, judge, measure.

States and lessons are bytes out there and arrays in here. Everything is computed by the same
`Learner` as the first time, so that a replay gives the same bytes.

A probe is named in words: `seed=7 mu=0.1 steps=200 mode=linear`, each with a default. It is a
trajectory of a plant that no session has seen; a state's loss is its mean squared error on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ttt.branching.arrays import Array
from ttt.branching.replayer import Relearned, Unlearned
from ttt.branching.workshop import Probe
from ttt.changes.plastic_state import PlasticHolder, PlasticUpdate
from ttt.errors import ConfigError, SignatureMismatchError
from ttt.guarded.plastic import adapt
from ttt.spine.change import Receipt, Verdict
from ttt.store.base import read_base
from ttt.store.domains import NANO, Domain
from ttt.store.sessions import Session
from ttt_ssm_nano import arithmetic
from ttt_ssm_nano.learner import Learner, Unwritten
from ttt_ssm_nano.limits import PROBE_STEPS_MAX
from ttt_ssm_nano.online_config import OnlineConfig, from_plain
from ttt_ssm_nano.plant import MODES, Mode, PlantConfig, simulate
from ttt_ssm_nano.plastic_ssm import NanoBase, decode_base
from ttt_ssm_nano.session_state import (
    HELD,
    ChunkInput,
    NanoState,
    decode_input,
    decode_state,
    encode_state,
)

ONLINE: Final = "online"
"""The field of a session's first event that holds its settings."""
SUMS_STAY: Final = (
    "Exact, given that each later lesson would have been accepted or refused as it was: the "
    "lesson's sums were taken out."
)
SUMS_FADE: Final = SUMS_STAY + " What faded while it was read stays faded."
PROBE_SEED: Final = 20_240
"""Seed of the default probe; sessions are numbered from 0."""
PROBE_STEPS: Final = 200
MERGE_TOLERANCE: Final = 0.2
"""Relative rise of the held-out loss that a merge may cost where the session names none."""


class NanoReplayer:
    """The nano domain's replayer for one base under one set of settings.

    Args:
        base: The frozen model.
        config: How the session learns.
    """

    def __init__(self, base: NanoBase, config: OnlineConfig) -> None:
        self.learner = Learner(base, config)
        self._fresh = self.learner.fresh()

    @property
    def model_signature(self) -> str:
        """Of the base."""
        return self.learner.base.signature

    def relearn(self, state: bytes, lesson: bytes) -> Relearned:
        """Learn a recorded buffer from a state."""
        learned = self.learner.learn(self._decoded(state), decode_input(lesson))
        return Relearned(state=encode_state(learned.state), event=learned.event)

    def unlearn(self, state: bytes, lesson: bytes, *, number: int) -> Unlearned | None:
        """Take a buffer's sums out; None for a rule that keeps none."""
        config = self.learner.config
        if config.rule != "rls":
            return None
        left = self.learner.unlearn(self._decoded(state), decode_input(lesson), number=number)
        statement = SUMS_STAY if config.forgetting == 1.0 else SUMS_FADE
        return Unlearned(state=encode_state(left), statement=statement)

    def reset_memory(self, state: bytes) -> bytes:
        """The same weights with an empty memory."""
        return encode_state(self.learner.reset_memory(self._decoded(state)))

    def install(self, kind: str, before: bytes, candidate: bytes, *, judged: bool) -> Receipt:
        """Attempt to go from one state to another; see `Replayer.install`."""
        old, new = self._decoded(before), self._decoded(candidate)
        change = PlasticUpdate(kind=kind, holder=PlasticHolder(old), propose=lambda _: new)
        probes = [lambda: self._judge(old, new)] if judged else []
        return adapt(change, gate=[], probes=probes, journal=Unwritten())

    def _judge(self, old: NanoState, new: NanoState) -> Verdict:
        """Whether the newest held-out buffer is predicted no worse, within the tolerance."""
        if old.arrays["session.counts"][HELD] < 1.0:
            return Verdict(allowed=True)
        held = ChunkInput(
            h_S=old.arrays["session.heldout_h"][-1],
            x_TX=old.arrays["session.heldout_x"][-1],
            y_TY=old.arrays["session.heldout_y"][-1],
        )
        before, after = self.learner.loss(old, held), self.learner.loss(new, held)
        tolerance = self.learner.config.heldout_tol
        tolerance = MERGE_TOLERANCE if tolerance is None else tolerance
        allowed = after <= before * (1.0 + tolerance)  # False for NaN.
        return Verdict(
            allowed=allowed,
            reasons=() if allowed else ("heldout_loss",),
            readings={"heldout_before": before, "heldout_after": after},
        )

    def _decoded(self, state: bytes) -> NanoState:
        return decode_state(state, self._fresh)


@dataclass(frozen=True, slots=True)
class NanoWorkshop:
    """The nano domain, opened on one artifact tree. The base is read when it is first needed."""

    root: Path

    @property
    def domain(self) -> Domain:
        """Sessions under `sessions/`."""
        return NANO

    @property
    def figures(self) -> tuple[str, ...]:
        """Losses and norms that every chunk's event holds."""
        return ("base_loss", "pre_loss", "post_loss", "grad_norm", "update_norm")

    def base(self) -> NanoBase:
        """The tree's base.

        Raises:
            NotFoundError: None was made yet.
        """
        saved = read_base(self.root)
        return decode_base(saved.weights, saved.meta)

    def replayer(self, session: Session) -> NanoReplayer:
        """A replayer for a session; see `Workshop.replayer`."""
        base = self.base()
        if base.signature != session.model_signature:
            raise SignatureMismatchError(
                f"Session {session.session_id!r} was made on the base "
                f"{session.model_signature[:12]}, but this tree's base is {base.signature[:12]}; "
                "use the tree it was made in, or a new session."
            )
        return NanoReplayer(base, settings_of(session))

    def probe(self, session: Session, words: str) -> Probe:
        """A trajectory that no session has seen; see the module for its words."""
        base, plant, steps = self.base(), *parse_probe(words, mode=mode_of(session))
        seen = simulate(plant, steps)
        h_S = np.zeros(base.size.n_state)

        def predict(state: bytes) -> Array:
            weights = decode_state(state).arrays
            h_NTS = arithmetic.features(
                base.decay_S,
                weights["plastic.W_u"][None],
                weights["plastic.B"][None],
                h_S[None],
                seen.inputs_TX[None],
            )
            predicted: Array = h_NTS[0] @ weights["plastic.W_o"].T
            return predicted

        return Probe(
            shown=f"a {plant.mode} plant of seed {plant.seed} with mu {seen.mu_T[0]:.4f}, "
            f"{steps} steps",
            loss=lambda state: float(np.mean((predict(state) - seen.targets_TY) ** 2)),
            predict=predict,
        )


def settings_of(session: Session) -> OnlineConfig:
    """How a session learns, for life.

    Raises:
        ConfigError: Its first commit does not say.
    """
    settings = session.origin.event.get(ONLINE)
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"The first commit of session {session.session_id!r} names no online settings; it is "
            "no nano session of this version."
        )
    return from_plain(settings)


def mode_of(session: Session) -> Mode:
    """Which kind of plant a session lives with.

    Raises:
        ConfigError: Its first commit does not say.
    """
    return _mode(str(session.origin.event.get("env_mode")))


def _mode(name: str) -> Mode:
    for mode in MODES:
        if mode == name:
            return mode
    raise ConfigError(f"A plant's mode is {' or '.join(MODES)}, not {name!r}.")


def parse_probe(words: str, *, mode: Mode) -> tuple[PlantConfig, int]:
    """The plant and the steps that a probe's words name.

    Args:
        words: See the module; a plain number is a seed, and empty is the default.
        mode: The plant's mode where the words name none.

    Raises:
        ConfigError: They name none; the message says how one is named.
    """
    found: dict[str, str] = {}
    for word in words.replace(",", " ").split():
        name, equals, value = word.rpartition("=")
        found[name if equals else "seed"] = value
    wrong = found.keys() - {"seed", "mu", "steps", "mode"}
    try:
        seed, steps = int(found.get("seed", PROBE_SEED)), int(found.get("steps", PROBE_STEPS))
        mu = float(found["mu"]) if "mu" in found else None
        chosen = _mode(found.get("mode", mode))
    except (ValueError, ConfigError):
        wrong = {words}
    if wrong or not 1 <= steps <= PROBE_STEPS_MAX:
        raise ConfigError(
            f"{words!r} names no probe; write it as 'seed=7 mu=0.1 steps=200 mode=linear', with "
            f"steps from 1 to {PROBE_STEPS_MAX} and mode {' or '.join(MODES)}."
        )
    return PlantConfig(seed=seed, mode=chosen, mu=mu), steps
