"""What the monitored run can be told: its command line, its saved configuration, its request body.

Importing this file imports no tensor library, so that `--help` and every usage error are instant.
A value outside its range and two options that contradict each other are refused in one sentence;
an option that has no effect beside the others is only spoken of (`without_effect`), because a
configuration file may hold it for other runs.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ttt.lib.options import CommandOptions, Flag

Backbone = Literal["gru", "ssm"]

_INPUT = Flag(group="input (the first that is given; exactly one is needed)")
_MODEL = Flag(group="model and objective")
_LEARNING = Flag(group="learning")
_GATE = Flag(group="gate: before a chunk may be learned")
_CANARY = Flag(group="canaries and rollback: after it was learned")
_SPFW = Flag(group="write guard (--safety_mode spfw)")
_SIGNAL = Flag(group="signals")
_OUTPUT = Flag(group="output")
_REPORT = Flag(group="output", bare="monitor_report.json")

_TEXTS = ("stdin", "file", "text")
_INPUTS = (*_TEXTS, "demo_high_entropy", "demo")
_OF_THE_CONE = ("spfw_eps_dot", "spfw_eps_cos", "spfw_passes", "spfw_stall_ratio")
_OF_THE_GATE = (
    "min_entropy_threshold",
    "min_diversity_threshold",
    "ood_loss_threshold",
    "ood_grad_threshold",
    "spfw_gate_scale",
)
_OF_THE_ROLLBACK = ("rollback_z_threshold", "rollback_abs_canary_delta")


class MonitorOptions(CommandOptions):
    """Read a text while learning from it, and watch, gate and undo each update."""

    stdin: Annotated[bool, _INPUT] = False
    """Read the standard input."""
    file: Annotated[Path | None, _INPUT] = None
    """Read a UTF-8 text file."""
    text: Annotated[str | None, _INPUT] = None
    """Read this text."""
    demo_high_entropy: Annotated[bool, _INPUT] = False
    """Read seeded blobs that look random."""
    demo: Annotated[bool, _INPUT] = False
    """Read a mixture of harmless and hostile passages, at least 40 chunks."""

    base: Annotated[str, _MODEL] = Field(default="starter", min_length=1)
    """The frozen model: starter, random (untrained), or a trained text model by its id."""
    backbone: Annotated[Backbone, _MODEL] = "gru"
    """Recurrent network of the starter and the random base."""
    objective: Annotated[Literal["ar", "mlm"], _MODEL] = "ar"
    """What is learned: the next token (ar) or hidden ones (mlm)."""
    mlm_prob: Annotated[float, _MODEL] = Field(default=0.15, gt=0, lt=1)
    """Share of tokens that mlm hides."""
    device: Annotated[Literal["cpu", "cuda", "mps"], _MODEL] = "cpu"
    """Where the model runs."""
    seed: Annotated[int, _MODEL] = 0
    """Seed of everything drawn: canaries, masks, random weights, demo texts."""

    chunk_tokens: Annotated[int, _LEARNING] = Field(default=128, ge=1, le=8192)
    """Tokens that make one update."""
    ttt_steps_per_chunk: Annotated[int, _LEARNING] = Field(default=1, ge=1, le=1000)
    """Gradient steps on each chunk."""
    optimizer: Annotated[Literal["kfac", "rls", "muon", "sgd"] | None, _LEARNING] = None
    """Update rule (default: kfac where the base has its curvature factors, else muon)."""
    lr: Annotated[float | None, _LEARNING] = Field(default=None, gt=0)
    """Rate (default: tuned for each rule: kfac 1, rls 2, muon 0.1, sgd 0.05)."""
    clip: Annotated[Literal["median", "none"] | Annotated[float, Field(gt=0)], _LEARNING] = "median"
    """Largest gradient norm: the median of the committed ones, none, or a number."""
    read: Annotated[Literal["mixture", "adapted", "base"], _LEARNING] = "mixture"
    """What predictions come from: the certified mixture with the frozen base, or one alone."""
    cache_lambda: Annotated[float, _LEARNING] = Field(default=0.1, ge=0, lt=1)
    """Weight of the cache of past hidden states; 0 switches it off."""

    safety_mode: Annotated[Literal["spfw", "gate_rollback"], _SPFW] = "spfw"
    """Fit each step to the canary budget (spfw), or take it whole or undo it (gate_rollback)."""
    budget_nats: Annotated[float, _SPFW] = Field(default=0.05, ge=0)
    """Largest rise of the mean canary loss since the start, nats per token; in both modes."""
    ball_radius: Annotated[float | None, _SPFW] = Field(default=None, gt=0)
    """Largest norm of everything learned (default: no limit)."""
    spfw_cone: Annotated[Literal["off", "on"], _SPFW] = "off"
    """Project each step so that no projection canary rises to first order."""
    spfw_eps_dot: Annotated[float, _SPFW] = Field(default=0.0, ge=0)
    """Margin of the cone, absolute."""
    spfw_eps_cos: Annotated[float, _SPFW] = Field(default=0.0, ge=0, lt=1)
    """Margin of the cone, as a cosine."""
    spfw_passes: Annotated[int, _SPFW] = Field(default=1, ge=1, le=1000)
    """Sweeps of the projection over the canaries."""
    spfw_stall_ratio: Annotated[float, _SPFW] = Field(default=0.99, gt=0, le=1)
    """A cone that removes more than this share of the step suppresses the write."""
    spfw_null_space: Annotated[bool, _SPFW] = False
    """Never write along the leading feature directions of the projection canaries."""
    spfw_gate_scale: Annotated[float, _SPFW] = Field(default=0.0, ge=0, le=1)
    """0: a gate objection blocks; above, it scales the step to this share instead."""
    spfw_canary_text: Annotated[tuple[str, ...], _SPFW] = ()
    """Projection canaries, instead of drawn ones."""

    enable_gate: Annotated[bool, _GATE] = True
    """Refuse worthless and hostile chunks before they are learned."""
    min_entropy_threshold: Annotated[float, _GATE] = Field(default=1.0, ge=0)
    """Least token entropy, bits."""
    min_diversity_threshold: Annotated[float, _GATE] = Field(default=0.03, ge=0, le=1)
    """Least share of distinct tokens."""
    ood_loss_threshold: Annotated[float, _GATE] = Field(default=8.0, ge=0)
    """Loss above which, together with the gradient, a chunk is refused; nats per token."""
    ood_grad_threshold: Annotated[float, _GATE] = Field(default=2.0, ge=0)
    """Gradient norm above which, together with the loss, a chunk is refused."""

    enable_rollback: Annotated[bool, _CANARY] = True
    """Undo a change that harms the canaries."""
    rollback_z_threshold: Annotated[float, _CANARY] = Field(default=6.0, ge=0)
    """Largest robust z of the canary rise."""
    rollback_abs_canary_delta: Annotated[float | None, _CANARY] = Field(default=None, ge=0)
    """Largest canary rise by one change, nats per token (default: 1 in spfw mode, where it is an
    outer limit; the whole --budget_nats in gate_rollback, where it is the brake)."""
    canary_text: Annotated[tuple[str, ...], _CANARY] = ()
    """Texts whose loss must not rise, instead of drawn ones."""
    canary_pool: Annotated[Path | None, _CANARY] = None
    """File of passages to draw canaries from, instead of the committed pools."""
    forbid_text: Annotated[tuple[str, ...], _CANARY] = ()
    """Texts whose loss should not fall; reported at audits (--audit_every), never judged."""
    probe_every: Annotated[int, _CANARY] = Field(default=1, ge=1, le=1024)
    """Chunks that make one change: probed, kept or undone together."""
    audit_every: Annotated[int, _CANARY] = Field(default=0, ge=0)
    """Chunks from one look at the held-out audit texts to the next; 0 never looks."""
    enable_canary_grad: Annotated[bool, _CANARY] = True
    """Compute the canary gradient: alignment and the predicted change."""
    canary_grad_every: Annotated[int, _CANARY] = Field(default=1, ge=1)
    """Chunks from one canary gradient to the next."""

    abs_grad_norm_threshold: Annotated[float, _SIGNAL] = Field(default=5.5, gt=0)
    """Gradient norm that is worth a flag."""
    abs_update_norm_threshold: Annotated[float, _SIGNAL] = Field(default=2.0, gt=0)
    """Norm of a step that is worth a flag."""
    robust_z_threshold: Annotated[float, _SIGNAL] = Field(default=6.0, gt=0)
    """Robust z of either norm that is worth a flag."""
    history_window: Annotated[int, _SIGNAL] = Field(default=64, ge=8, le=65536)
    """Committed chunks that robust z and clipping look back on."""
    influence: Annotated[Literal["off", "flagged", "all"], _SIGNAL] = "flagged"
    """For which chunks to name the tokens that moved the loss most."""
    topk: Annotated[int, _SIGNAL] = Field(default=10, ge=0, le=1000)
    """How many of those tokens."""

    write_json: Annotated[Path | None, _REPORT] = None
    """Write configuration, summary and events there (without a value: monitor_report.json)."""
    plot: Annotated[Path | None, _OUTPUT] = None
    """Draw the run there, as PNG."""
    compare: Annotated[tuple[Backbone, ...], _OUTPUT] = ()
    """Run several backbones on the same chunks and show them side by side: gru,ssm."""
    fail_on: Annotated[tuple[Literal["blocked", "rolled_back"], ...], _OUTPUT] = ()
    """Exit with 3 if any chunk was blocked, or rolled back."""
    timings: Annotated[bool, _OUTPUT] = False
    """Add how long each chunk took; without it, equal runs give equal bytes."""

    @property
    def input_name(self) -> str | None:
        """The input option that counts, the first that is given; None if none is."""
        given = (name for name in _INPUTS if getattr(self, name) not in (None, False))
        return next(given, None)

    @field_validator("compare", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        items = (value,) if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            return value
        return tuple(part for item in items for part in str(item).split(","))

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> "MonitorOptions":
        for sentence in _contradictions(self):
            raise ValueError(sentence)
        return self


def _contradictions(options: MonitorOptions) -> Iterator[str]:
    """Every pair of options of which one would have to be ignored, as a sentence."""
    texts = [name for name in _TEXTS if getattr(options, name) not in (None, False)]
    if len(texts) > 1:
        yield f"--{texts[0]} and --{texts[1]} both name the input; keep one."
    if options.safety_mode == "gate_rollback":
        for name in ("spfw_cone", "spfw_null_space", "ball_radius"):
            if getattr(options, name) not in (None, False, "off"):
                yield f"--{name} needs --safety_mode spfw; gate_rollback has no write guard."
    if options.forbid_text and options.audit_every == 0:
        yield "--forbid_text is only reported at audits; add --audit_every N."
    yield from _comparison_contradictions(options)
    yield from _path_contradictions(options)


def _comparison_contradictions(options: MonitorOptions) -> Iterator[str]:
    if not options.compare:
        return
    if len(set(options.compare)) < max(2, len(options.compare)):
        yield "--compare needs two different backbones; write --compare gru,ssm."
    if options.backbone != MonitorOptions.model_fields["backbone"].default:
        yield "--compare names the backbones itself; leave --backbone out."
    if options.base not in ("starter", "random"):
        yield f"--compare needs a base of several backbones, not {options.base!r}; starter is one."
    if options.plot is not None:
        yield "--plot draws one run; leave it or --compare out."


def _path_contradictions(options: MonitorOptions) -> Iterator[str]:
    paths = {
        f"--{name}": path.absolute()
        for name in ("file", "canary_pool", "write_json", "plot")
        if (path := getattr(options, name)) is not None
    }
    for output in ("--plot", "--write_json"):
        for name, path in paths.items():
            if name != output and path == paths.get(output):
                yield f"{output} would write over {name}, {path}; name another file."


_IDLE_UNLESS: tuple[tuple[str, Callable[[MonitorOptions], bool], tuple[str, ...]], ...] = (
    ("--spfw_cone on", lambda o: o.spfw_cone == "on", _OF_THE_CONE),
    (
        "--spfw_cone on or --spfw_null_space",
        lambda o: o.spfw_cone == "on" or o.spfw_null_space,
        ("spfw_canary_text",),
    ),
    ("the gate, which is off", lambda o: o.enable_gate, _OF_THE_GATE),
    ("rollback, which is off", lambda o: o.enable_rollback, _OF_THE_ROLLBACK),
    ("the canary gradient, which is off", lambda o: o.enable_canary_grad, ("canary_grad_every",)),
    ("--objective mlm", lambda o: o.objective == "mlm", ("mlm_prob",)),
    ("--influence flagged or all", lambda o: o.influence != "off", ("topk",)),
    ("a single run (--compare)", lambda o: not o.compare, ("backbone",)),
)
"""What is needed, whether it is there, and the options that do nothing without it."""


def without_effect(options: MonitorOptions) -> tuple[str, ...]:
    """Options that were given but change nothing beside the others, each as a sentence."""
    given = options.model_fields_set
    idle = [
        f"--{name} has no effect without {what}."
        for what, there, names in _IDLE_UNLESS
        for name in names
        if name in given and not there(options)
    ]
    inputs = [name for name in _INPUTS if getattr(options, name) not in (None, False)]
    beaten = [f"--{name} has no effect beside --{inputs[0]}, which comes first." for name in inputs]
    return (*idle, *beaten[1:])
