"""The gate: cheap rules that spare worthless or hostile chunks a forward pass, or a write.

Two stages. The *text stage* looks at text and tokens before any forward pass; the *write stage*
looks at loss and gradient before anything is applied. A rule is a function from a chunk and the
limits to a `Verdict`; a user's own joins by one line:

    def shouting(chunk: ChunkText, config: GateConfig) -> Verdict:
        calm = not chunk.text.isupper()
        return Verdict(allowed=calm, reasons=() if calm else ("shouting",))

    GATE_CHECKS.register("shouting", shouting)

What it is for: it saves cost and stops crude attacks. What it is not: a proof. Most hostile text
looks ordinary to every static signal, and what such text does is bounded by the probe after the
step (`ttt/core/rollback.py`, `ttt/core/spfw.py`). It therefore prefers precision to recall.
`docs/gate.md` has the measured shares of both.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from ttt.core.gate_checks.blob import blob, oversized
from ttt.core.gate_checks.chunk import CARRY_CHARS, ChunkText, ChunkWrite, GateConfig
from ttt.core.gate_checks.override import instruction_override
from ttt.core.gate_checks.repetition import low_diversity, low_entropy
from ttt.core.gate_checks.write import ood_heavy_write
from ttt.lib.registry import Registry
from ttt.spine.change import Check, Verdict

__all__ = [
    "CARRY_CHARS",
    "GATE_CHECKS",
    "WRITE_CHECKS",
    "ChunkText",
    "ChunkWrite",
    "GateConfig",
    "should_gate_update",
    "text_stage",
    "write_stage",
]

TextRule: TypeAlias = Callable[[ChunkText, GateConfig], Verdict]
WriteRule: TypeAlias = Callable[[ChunkWrite, GateConfig], Verdict]

GATE_CHECKS: Final[Registry[TextRule]] = Registry("gate check")
"""Rules of the text stage, by name, in the order they run."""
for _name, _rule in (
    ("low_entropy", low_entropy),
    ("low_diversity", low_diversity),
    ("blob", blob),
    ("instruction_override", instruction_override),
):
    GATE_CHECKS.register(_name, _rule)

WRITE_CHECKS: Final[Registry[WriteRule]] = Registry("write check")
"""Rules of the write stage, by name, in the order they run."""
WRITE_CHECKS.register("ood_heavy_write", ood_heavy_write)

DEFAULT_CONFIG: Final = GateConfig()


def text_stage(
    chunk: ChunkText, config: GateConfig, registry: Registry[TextRule] = GATE_CHECKS
) -> Sequence[Check]:
    """Return the checks to run before any forward pass; none when the gate is off.

    A chunk over `text_chars_max` gets one check only, which refuses it without reading it, so that
    the cost of the stage is bounded whatever arrives.
    """
    if not config.enabled:
        return ()
    if len(chunk.text) > config.text_chars_max:
        return (partial(oversized, chunk, config),)
    return tuple(partial(rule, chunk, config) for _, rule in registry)


def write_stage(
    write: ChunkWrite, config: GateConfig, registry: Registry[WriteRule] = WRITE_CHECKS
) -> Sequence[Check]:
    """Return the checks to run after loss and gradient, before apply; none when the gate is off."""
    if not config.enabled:
        return ()
    return tuple(partial(rule, write, config) for _, rule in registry)


def should_gate_update(
    chunk: ChunkText, *, write: ChunkWrite | None = None, config: GateConfig = DEFAULT_CONFIG
) -> tuple[bool, list[str]]:
    """Return (allowed, reasons): the thin public view of the gate.

    **True means the update may run**, whatever the name suggests; the reasons say why not.

    Args:
        chunk: The chunk's text and tokens.
        write: Its loss and gradient norm, if known; without it only the text stage runs.
        config: Limits.
    """
    checks = [*text_stage(chunk, config)]
    if write is not None:
        checks += write_stage(write, config)
    verdicts = [check() for check in checks]
    reasons = [reason for verdict in verdicts for reason in verdict.reasons]
    return all(verdict.allowed for verdict in verdicts), reasons
