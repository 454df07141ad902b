"""What `phase0_muon.py` does: a base, a session, a trajectory, and a folder of results.

    <run_root>/<run_name>/manifest.json            the record: settings, friction, summary, digests
                          base.safetensors         the frozen base
                          session.safetensors      the session afterwards, for --resume_session_dir
                          per_step.csv, update_events.json, trajectory.json, mse_curve.png

The folder appears whole or not at all. A session of `ttt nano` can be gone on with as well: its own
history is not touched.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ttt.errors import ConfigError, NotFoundError
from ttt.lib.seeds import derive_seed
from ttt.optim.muon_config import MuonConfig
from ttt.store import layout, records
from ttt.store.blobs import read_blob
from ttt.store.domains import NANO
from ttt.store.sessions import open_session
from ttt_ssm_nano.curves import RunLog, rendered
from ttt_ssm_nano.learner import Learner
from ttt_ssm_nano.online_config import OnlineConfig, documented, from_plain, online
from ttt_ssm_nano.phase0_options import MU_DRAWN, Phase0Options
from ttt_ssm_nano.plant import MODES, Mode, PlantConfig, draw_mu, simulate
from ttt_ssm_nano.plastic_ssm import ModelSize, NanoBase, decode_base, encode_base
from ttt_ssm_nano.replayer import NanoWorkshop, mode_of
from ttt_ssm_nano.run import run_online
from ttt_ssm_nano.session_state import NanoState, decode_state, encode_state

KIND, MANIFEST = "nano_run", "manifest.json"
BASE_FILE, SESSION_FILE = "base.safetensors", "session.safetensors"
NAMES_MAX: Final = 10_000
"""Numbers tried behind a name that is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A session before a run, new or resumed."""

    learner: Learner
    state: NanoState
    mode: Mode
    mu: float
    runs: int
    """Runs it had before: the next one meets other pushes."""


def run(options: Phase0Options, advance: Callable[[int], None]) -> dict[str, object]:
    """Do all of it.

    Args:
        options: What was asked for.
        advance: Told how many steps on the plant were taken.

    Returns:
        The folder and the summary, as JSON.

    Raises:
        ConfigError: A setting or the run's name cannot be used.
        NotFoundError: There is no session to resume.
        CorruptArtifactError: What is to be resumed is damaged.
        TrainingDivergedError: The base could not be trained.
        StorageError: The disk refused.
    """
    folder = _free_folder(options.run_root, options.run_name)
    begun = resume(options.resume_session_dir) if options.resume_session_dir else begin(options)
    plant = PlantConfig(
        seed=derive_seed(options.seed, "nano", "phase0", begun.runs),
        mode=begun.mode,
        mu=begun.mu,
        noise_std=options.noise_std,
        glitch_at=options.glitch_at,
        jump_at=options.jump_at,
    )
    trajectory = simulate(plant, options.steps)
    rule = "documented rules" if options.documented else begun.learner.config.rule
    meta = {"rule": rule, "mode": begun.mode, "mu": round(begun.mu, 4), "seed": options.seed}
    log, state = RunLog(trajectory=trajectory, meta=meta), begun.state
    for stretch in run_online(begun.learner, state, trajectory):
        log.add(stretch)
        state = stretch.state
        advance(stretch.stop - stretch.start)
    files = rendered(log) | {
        BASE_FILE: encode_base(begun.learner.base),
        SESSION_FILE: encode_state(state),
    }
    body: Mapping[str, object] = {
        "online": begun.learner.config.plain(),
        "base": begun.learner.base.meta,
        "env_mode": begun.mode,
        "mu": begun.mu,
        "runs": begun.runs + 1,
        "summary": log.summary(),
    }
    records.save_folder(
        options.run_root, folder, kind=KIND, files=files, body=body, record_name=MANIFEST
    )
    return {"folder": str(folder), **log.summary()}


def begin(options: Phase0Options) -> Begun:
    """Pretrain a base and start a session on it."""
    # Here, because a resumed session needs no tensor library.
    from ttt_ssm_nano.pretraining import PretrainConfig, pretrain

    config = settings(options)  # Before the work, and not after it.
    base = pretrain(
        PretrainConfig(
            seed=options.seed,
            mode=options.env_mode,
            size=ModelSize(u_dim=options.u_dim, n_state=options.n_state),
            steps=options.pretrain_steps,
            batch=options.pretrain_batch,
            seq=options.pretrain_seq,
        )
    )
    learner = Learner(base, config)
    mu = draw_mu(options.seed) if options.mu == MU_DRAWN else options.mu
    return Begun(learner=learner, state=learner.fresh(), mode=options.env_mode, mu=mu, runs=0)


def settings(options: Phase0Options) -> OnlineConfig:
    """How the session learns.

    Raises:
        ConfigError: The settings do not go together.
    """
    if options.documented:
        return replace(documented(), chunk=options.chunk, buffer_len=options.buffer_len)
    measured = online(options.online)
    muon = MuonConfig(
        lr=measured.optimizer.lr if options.lr is None else options.lr,
        momentum=options.momentum,
        nesterov=bool(options.nesterov),
        weight_decay=options.weight_decay,
        ns_steps=options.ns_steps,
        adjust_lr=options.adjust_lr_fn,
    )
    heldout_tol = measured.heldout_tol if options.heldout_tol is None else options.heldout_tol
    return replace(
        measured,
        plastic=options.plastic,
        chunk=options.chunk,
        buffer_len=options.buffer_len,
        rollback_tol=options.rollback_tol,
        heldout_tol=heldout_tol,
        grad_norm_max=options.grad_norm_max,
        state_norm_max=options.state_norm_max,
        glitch_factor=options.glitch_factor,
        forgetting=options.forgetting,
        ridge=options.ridge,
        optimizer=muon,
    )


def resume(folder: Path) -> Begun:
    """The session of an earlier run, or of a session of `ttt nano` (`<root>/sessions/<id>`).

    Raises:
        NotFoundError: There is no such folder.
        CorruptArtifactError: It is damaged, or no session at all.
    """
    if folder.absolute().parent.name == NANO.folder:
        return _resume_session(folder.absolute().parent.parent, folder.name)
    try:
        record = records.read_record(folder, kind=KIND, record_name=MANIFEST)
    except FileNotFoundError as error:
        raise NotFoundError("run", str(folder), "Name the folder of an earlier run.") from error
    files, body = records.read_files(folder, record), record.body
    base_meta, plain = body["base"], body["online"]
    assert isinstance(base_meta, dict), "its digest matched, so we wrote it"
    assert isinstance(plain, dict), "likewise"
    base: NanoBase = decode_base(files[BASE_FILE], base_meta, where=f"{folder}/{BASE_FILE}")
    learner = Learner(base, from_plain(plain))
    where = f"{folder}/{SESSION_FILE}"
    return Begun(
        learner=learner,
        state=decode_state(files[SESSION_FILE], learner.fresh(), where=where),
        mode=_mode(body["env_mode"]),
        mu=float(str(body["mu"])),
        runs=int(str(body["runs"])),
    )


def _resume_session(root: Path, session_id: str) -> Begun:
    session = open_session(root, NANO, session_id)
    learner = NanoWorkshop(root).replayer(session).learner
    return Begun(
        learner=learner,
        state=decode_state(read_blob(root, session.head.blob), learner.fresh()),
        mode=_mode(mode_of(session)),
        mu=float(str(session.origin.event["mu"])),
        runs=session.head.n,
    )


def _mode(name: object) -> Mode:
    return next(mode for mode in MODES if mode == name)


def _free_folder(root: Path, name: str) -> Path:
    """The run's folder, with a number behind its name where that is taken."""
    layout.check_id("run name", name)
    names = (name, *(f"{name}-{k}" for k in range(2, NAMES_MAX)))
    for one in names:
        if not (root / one).exists():
            return root / layout.check_id("run name", one)
    raise ConfigError(f"{root} holds {NAMES_MAX} runs named {name!r}; choose another --run_name.")
