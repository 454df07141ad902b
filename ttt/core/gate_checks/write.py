"""`ood_heavy_write`: a chunk the model finds strange **and** that would change it much.

Either alone is ordinary: new text has a high loss, a first chunk a large gradient. Not covered: a
harmful chunk the model finds easy, which is what an attacker who holds the weights will send.
"""

from ttt.core.gate_checks.chunk import ChunkWrite, GateConfig
from ttt.spine.change import Verdict


def ood_heavy_write(write: ChunkWrite, config: GateConfig) -> Verdict:
    """Refuse when loss and gradient norm both exceed their limits, or either is not finite."""
    light = write.loss_nats <= config.ood_loss_nats or write.grad_norm <= config.ood_grad_norm
    return Verdict(  # readings that are not finite turn any verdict into a refusal
        allowed=light,
        reasons=() if light else ("ood_heavy_write",),
        readings={"loss_nats": write.loss_nats, "grad_norm": write.grad_norm},
    )
