"""`instruction_override`: text that commands its reader to drop its instructions or its rules."""

from ttt.core.gate_checks.chunk import ChunkText, GateConfig
from ttt.spine.change import Verdict


def instruction_override(chunk: ChunkText, config: GateConfig) -> Verdict:
    """Refuse a chunk that commands an override (`commands.py` says what counts as one).

    Args:
        chunk: The chunk; its carry is matched along.
        config: Not read; every rule has the same signature.
    """
    del config
    seen = chunk.overrides
    return Verdict(
        allowed=not seen,
        reasons=("instruction_override",) if seen else (),
        readings={"override": float(seen)},
    )
