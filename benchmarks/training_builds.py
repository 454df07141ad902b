"""The builds that `training` compares, and the process that runs one of them.

`python -m benchmarks.training_builds NAME` trains a step for each line that it reads, and answers
with the processor seconds of the step and of one product of two square matrices.

Shapes: B batch, S inputs, N predicted positions or layers, H hidden, D width, V vocabulary.
"""

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ttt.lib.allocator import tune_memory

if TYPE_CHECKING:
    from ttt.text_lm.fit import FitConfig
    from ttt.text_lm.fit_state import FitState

WIDTH, LAYERS, VOCABULARY, SEQ_LEN, BATCH = 256, 4, 4096, 128, 32
"""The defaults of `ttt train`."""
OURS: Final = "ours"
PEAK_SIDE: Final = 768
"""Side of the matrices whose product stands for the machine's best."""
PRODUCTS: Final = 6
"""Products before and after each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One way to train the same model."""

    scan: str = "numba"
    """A way of `ttt.core.scan.PATHS`."""
    tuned: bool = True
    """Whether freed memory is kept, as every command does."""
    precision: str = "auto"
    plain: bool = False
    """The loss in one piece through autograd, and one optimizer a matrix."""


BUILDS: Final = {
    OURS: Build(),
    "ours, default malloc": Build(tuned=False),
    "blocked scan, float32, default malloc": Build(
        scan="torch", tuned=False, precision="float32", plain=True
    ),
    "plain loop": Build(scan="naive", tuned=False, precision="float32", plain=True),
}


def flops_per_step() -> float:
    """The work of a step: 6 operations for each parameter of backbone and head, and each token."""
    hidden = 2 * WIDTH
    layer = WIDTH + WIDTH * 2 * hidden + (WIDTH + 1) * hidden + hidden * WIDTH
    return 6.0 * (LAYERS * layer + VOCABULARY * WIDTH) * tokens_per_step()


def tokens_per_step() -> int:
    """Tokens that a step predicts."""
    return BATCH * SEQ_LEN


def started(build: Build) -> "FitState":
    """A training of this build before its first step."""
    import numpy as np
    import torch

    from ttt.core.model import ModelConfig, random_model
    from ttt.text_lm.fit import start_fit
    from ttt.text_lm.windows import Mixture, Source

    config = fit_config(build)
    tokens_T = np.random.default_rng(0).integers(4, VOCABULARY, 1 << 18).astype(np.uint16)
    source = Source(name="random", tokens_T=tokens_T, length=config.segment_length)
    sizes = ModelConfig(
        backbone="ssm", vocab_size=VOCABULARY, width=WIDTH, layers=LAYERS, hidden=2 * WIDTH
    )
    model = random_model(sizes, seed=0).requires_grad_(True)
    state = start_fit(model, Mixture(sources=(source,)), config)
    if build.plain:
        _make_plain(state)
    assert flops_per_step() == 6.0 * tokens_per_step() * (
        sum(p.numel() for p in model.backbone.parameters()) + model.head_VD.numel()
    ), "the work is counted by the model's own sizes"
    torch.set_num_threads(1)
    return state


def fit_config(build: Build) -> "FitConfig":
    """The settings of the defaults, next-token prediction only: masked batches predict less."""
    from ttt.text_lm.fit import FitConfig

    return FitConfig(
        seq_len=SEQ_LEN, batch_size=BATCH, steps=10**6, mlm_share=0.0, precision=build.precision
    )


def _make_plain(state: "FitState") -> None:
    """Swap in what one would write down first."""
    import torch
    from torch import Tensor, nn

    from ttt.core.model import LanguageModel
    from ttt.optim.muon import Muon
    from ttt.text_lm.head_loss import naive_head_loss

    class PlainLesson(nn.Module):
        def __init__(self, model: LanguageModel) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, inputs_BS: Tensor, positions_N: Tensor, targets_N: Tensor, start_BNH: Tensor
        ) -> tuple[Tensor, Tensor]:
            features_BSD, end_BNH = self.model.features(inputs_BS, start_BNH)
            features_ND = features_BSD.flatten(0, 1)[positions_N]
            return naive_head_loss(features_ND, self.model.head_VD, targets_N), end_BNH

    state.lesson = PlainLesson(state.model)
    parameters = list(state.model.backbone.parameters())
    matrices = [parameter for parameter in parameters if parameter.ndim == 2]
    rest = [p for p in state.model.parameters() if not any(p is m for m in matrices)]
    state.optimizers[:] = [Muon([matrix]) for matrix in matrices]
    state.optimizers.append(torch.optim.AdamW(rest, foreach=False))


def main() -> None:
    """Serve one build until the lines end."""
    build = BUILDS[sys.argv[1]]
    if build.tuned:
        tune_memory()
    import torch

    from ttt.lib.precision import half_pays
    from ttt.text_lm.fit import fit

    state, config = started(build), fit_config(build)
    half = build.precision == "auto" and half_pays("cpu")
    square = torch.randn(PEAK_SIDE, PEAK_SIDE).to(torch.bfloat16 if half else torch.float32)

    def products_s() -> float:
        begun = time.thread_time()
        for _ in range(PRODUCTS):
            square @ square
        return time.thread_time() - begun

    for _ in sys.stdin:
        before_s = products_s()
        begun = time.thread_time()
        fit(state, config, report=lambda _report: True)
        step_s = time.thread_time() - begun
        print(step_s, (before_s + products_s()) / (2 * PRODUCTS), flush=True)


if __name__ == "__main__":
    main()
