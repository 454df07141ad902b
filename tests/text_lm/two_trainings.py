"""Run by `torchrun` in `test_parallel.py`: a small training, replicated and sharded."""

import sys
from pathlib import Path

import torch

from ttt.text_lm import evaluate
from ttt.text_lm.parallel import joined
from ttt.text_lm.train import train
from ttt.text_lm.train_options import TrainOptions

SMALL = {
    "vocab_size": 270, "d_model": 16, "n_layers": 2, "seq_len": 8, "batch_size": 4, "steps": 8,
    "log_every": 1, "val_every": 4, "mlm_share": 0.3, "device": "cpu",
    # In half precision the two ways to compute the recurrence round at different places.
    "precision": "float32",
}  # fmt: skip


def quiet(*_args: object) -> None:
    """Progress that nobody watches."""


def main(root: str, book: str) -> None:
    torch.set_num_threads(1)
    evaluate.FISHER_TOKENS_MIN = 100
    with joined(sharded=False):
        for name, fsdp in (("ddp", False), ("fsdp", True)):
            options = TrainOptions(corpus=(book,), model_id=name, fsdp=fsdp, **SMALL)
            result = train(options, root=Path(root), progress=quiet)
            sys.stdout.write(f"{name} made a model: {result is not None}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
