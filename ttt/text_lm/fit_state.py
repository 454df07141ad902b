"""Everything the next step of a training depends on, as one value that can be saved and restored.

Weights, what the optimizers remember, every generator, the place in the data and the recurrent
state that is carried from window to window. What is left out: the configuration, from which all of
these are built, and the data itself. A training that is restored takes the same steps, bit for bit
on the CPU with the same number of threads and processes.

Shapes: B batch, N layers, H hidden.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ttt.core.model import LanguageModel
from ttt.lib.sharded import cut_like, whole
from ttt.text_lm.batches import Batches
from ttt.text_lm.parallel import ALONE, Group

MODEL, OPTIMIZER, LOOP = "model.", "optimizer.", "loop."
"""How the names of saved tensors begin."""


@dataclass(slots=True, kw_only=True)
class FitState:
    """A training between two steps."""

    model: LanguageModel
    optimizers: list[torch.optim.Optimizer]
    batches: Batches
    masks: torch.Generator
    """Decides which tokens are hidden."""
    lesson: nn.Module
    """The model with its loss, ready for this group of processes."""
    group: Group = ALONE
    carried_BNH: Tensor | None = None
    """Recurrent state of this process's rows after the last window of text; None before it."""
    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Spent in the loop so far."""

    def weights(self) -> dict[str, Tensor]:
        """The model's weights by name, whole; all processes must ask together."""
        return {name: whole(weight) for name, weight in self.model.state_dict().items()}

    @contextlib.contextmanager
    def readable(self) -> Iterator[LanguageModel]:
        """The model with its weights whole, to be read; all processes must ask together."""
        if not self.group.sharded:
            yield self.model
            return
        sharded: Any = self.lesson  # FSDP2 adds methods to the module that it is given.
        sharded.unshard()
        try:
            yield self.model
        finally:
            sharded.reshard()

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by the name they are saved under, whole; all processes must ask together."""
        found = {MODEL + name: weight for name, weight in self.weights().items()}
        for key, _, memory in self._memories():
            for name, value in memory.items():
                found[f"{key}.{name}"] = whole(value)
        found |= {LOOP + name: value for name, value in self.batches.tensors().items()}
        found[LOOP + "masks"] = self.masks.get_state()
        if self.carried_BNH is not None:
            found[LOOP + "carried"] = self.group.all_rows(self.carried_BNH)
        return found

    def record(self) -> dict[str, object]:
        """The rest, as JSON."""
        return {"step": self.step, "seconds": self.seconds, "batches": self.batches.record()}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Become what `tensors` and `record` said, at whatever time and in whatever process.

        Raises:
            KeyError: They were not given by a training of this configuration.
        """
        for name, weight in self.model.state_dict().items():
            weight.copy_(cut_like(tensors[MODEL + name], weight))
        for key, parameter, memory in self._memories():
            for name in [one for one in tensors if one.startswith(f"{key}.")]:
                # A scalar such as the count of steps is never cut.
                value = tensors[name].clone().to(parameter.device)
                cut = cut_like(value, parameter) if value.shape == parameter.shape else value
                memory[name.removeprefix(f"{key}.")] = cut
        loop = {n.removeprefix(LOOP): t for n, t in tensors.items() if n.startswith(LOOP)}
        self.batches.restore(loop, record["batches"])
        self.masks.set_state(loop["masks"].clone())
        carried_BNH = loop.get("carried")
        if carried_BNH is not None:
            device = self.model.head_VD.device
            self.carried_BNH = self.group.own_rows(carried_BNH).to(device)
        self.step, self.seconds = int(record["step"]), float(record["seconds"])

    def _memories(self) -> Iterator[tuple[str, nn.Parameter, dict[str, Tensor]]]:
        """What each optimizer remembers of each parameter, with the name to save it under."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        for number, optimizer in enumerate(self.optimizers):
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    key = f"{OPTIMIZER}{number}.{names[id(parameter)]}"
                    yield key, parameter, optimizer.state[parameter]
