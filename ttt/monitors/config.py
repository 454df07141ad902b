"""The settings of a monitored run, as objects: `setup.py` makes them of a command's options."""

from dataclasses import dataclass, field
from typing import Literal

from ttt.changes.fast_weights import LearningConfig
from ttt.core.cache import CacheConfig
from ttt.core.objective import TTTObjective
from ttt.core.rules import UpdateRule
from ttt.errors import ConfigError
from ttt.guarded.system import SafetyConfig
from ttt.monitors.reading import ReadMode
from ttt.monitors.signals import FlagThresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig:
    """A whole run, apart from its input."""

    objective_name: str
    objective: TTTObjective
    rule: UpdateRule
    canary_texts: tuple[str, ...]
    """Probe canaries."""
    projection_texts: tuple[str, ...] = ()
    """Projection canaries; needed for the cone and the null-space only."""
    learning: LearningConfig = field(default_factory=LearningConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    safety: SafetyConfig = field(default_factory=SafetyConfig)
    thresholds: FlagThresholds = field(default_factory=FlagThresholds)
    read: ReadMode = "mixture"
    seed: int = 0
    history_window: int = 64
    probe_every: int = 1
    """Chunks that make one change."""
    canary_grad_every: int = 1
    """Chunks from one canary gradient to the next; 0 never computes it."""
    audit_every: int = 0
    """Chunks from one audit to the next; 0 never audits."""
    forbid_texts: tuple[str, ...] = ()
    """Texts whose loss should not fall; reported at audits, never judged."""
    influence: Literal["off", "flagged", "all"] = "flagged"
    influence_top: int = 10

    def __post_init__(self) -> None:
        if self.probe_every < 1 or min(self.canary_grad_every, self.audit_every) < 0:
            raise ConfigError("probe_every must be >= 1; canary_grad_every, audit_every >= 0.")

    def gradient_within(self, index: int, chunks: int) -> bool:
        """Whether one of so many chunks from a chunk on is due for the canary gradient."""
        every = self.canary_grad_every
        return every > 0 and -index % every < chunks
