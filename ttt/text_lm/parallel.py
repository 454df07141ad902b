"""One training in several processes: who reads which rows, and what they tell each other.

`torchrun` starts the processes and says who they are. All draw the same global batch and the same
masks, and each reads its own rows of it, so that the sum of what they do is what one process does
with the whole batch, but for the order of additions. Weights are replicated (DDP) or sharded
(FSDP2); a saved state is whole in either case, and any number of processes can go on from it.

Only the first process writes files.

Shapes: B batch, L tokens, S input tokens, N predicted positions or layers, H hidden.
"""

import contextlib
import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ttt.core.objective import Examples
from ttt.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The processes of one training, seen from one of them."""

    rank: int = 0
    size: int = 1
    sharded: bool = False
    """Whether weights and optimizer memory are cut into pieces (FSDP2)."""

    @property
    def first(self) -> bool:
        """Whether this process writes and talks."""
        return self.rank == 0

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch whose rows cannot be shared evenly.

        Raises:
            ConfigError: It cannot.
        """
        if batch_size % self.size:
            raise ConfigError(
                f"--batch_size {batch_size} cannot be shared by {self.size} processes; make it a "
                f"multiple of {self.size}."
            )

    def rows(self, batch: int) -> slice:
        """The rows of a global batch that are this process's."""
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def own(self, examples: Examples) -> Examples:
        """The part of a global batch's examples that lies in this process's rows."""
        if self.size == 1:
            return examples
        batch, length = examples.inputs_BS.shape
        rows = self.rows(batch)
        begin, end = rows.start * length, rows.stop * length
        mine_N = (examples.positions_N >= begin) & (examples.positions_N < end)
        return Examples(
            inputs_BS=examples.inputs_BS[rows].contiguous(),
            positions_N=examples.positions_N[mine_N] - begin,
            targets_N=examples.targets_N[mine_N],
        )

    def own_rows(self, whole_BNH: Tensor) -> Tensor:
        """This process's rows of a recurrent state."""
        return whole_BNH[self.rows(len(whole_BNH))].contiguous()

    def all_rows(self, own_BNH: Tensor) -> Tensor:
        """The rows of all processes; all must ask together."""
        if self.size == 1:
            return own_BNH
        parts = [torch.empty_like(own_BNH) for _ in range(self.size)]
        dist.all_gather(parts, own_BNH.contiguous())
        return torch.cat(parts)

    def totals(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes; all must ask together."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums)
        return [float(one) for one in sums]

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.size > 1:
            dist.barrier()

    def wrap(self, lesson: nn.Module) -> nn.Module:
        """Make a module's backward pass average gradients over the processes."""
        if self.sharded:
            from torch.distributed.fsdp import fully_shard

            # One unit: gradients and optimizer memory are cut, weights are whole during a step.
            fully_shard(lesson)
            return lesson
        return nn.parallel.DistributedDataParallel(lesson) if self.size > 1 else lesson


ALONE = Group()


@contextlib.contextmanager
def joined(*, sharded: bool, environ: Mapping[str, str] | None = None) -> Iterator[Group]:
    """Join the processes that `torchrun` started; alone where it did not.

    Args:
        sharded: Cut weights into pieces.
        environ: The environment; that of the process if None.

    Raises:
        ConfigError: Sharding was asked for without `torchrun`.
    """
    environ = os.environ if environ is None else environ
    if "TORCHELASTIC_RUN_ID" not in environ:
        if sharded:
            raise ConfigError(
                "--fsdp needs several processes; start them with torchrun --nproc_per_node N -m "
                "ttt.text_lm.train."
            )
        yield ALONE
        return
    ours = not dist.is_initialized()  # Who trains twice joins once, and leaves by himself.
    if ours:
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        if backend == "nccl":
            torch.cuda.set_device(int(environ["LOCAL_RANK"]))
        dist.init_process_group(backend)
    try:
        yield Group(rank=dist.get_rank(), size=dist.get_world_size(), sharded=sharded)
    finally:
        if ours:
            dist.destroy_process_group()
            # A sharded module and its hooks refer to each other and keep the group's threads; left
            # to the interpreter's end, those would be torn down running, which aborts the process.
            gc.collect()
