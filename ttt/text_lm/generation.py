"""Writing text, token by token, with the state carried: the cost of a token never grows.

    for token in generate(base, base.encoder.encode("Once"), GenerationConfig()):
        show(token.text)

The prompt is read once; after that only the last token is. What is learned at test time takes part
in two places: fast weights are handed in with the call, and `next_token` replaces how features
become scores, for instance by a mixture with the frozen base. Nothing here learns or saves.

Shapes: D width, V vocabulary, N layers, H hidden, L tokens.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt.core.base import Base
from ttt.core.model import LanguageModel
from ttt.core.stepping import NextToken, Stepper, make_stepper
from ttt.core.tokens import EOS_ID
from ttt.errors import ConfigError, InputError
from ttt.lib.seeds import derive_seed
from ttt.text_lm.pieces import Pieces, token_texts
from ttt.text_lm.sampling import Sampling, draw

READ_TOKENS = 4096
"""Tokens of a prompt that are read at once, so that memory does not grow with its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationConfig:
    """How a text is continued."""

    max_new_tokens: int = 120
    """Tokens at most."""
    sampling: Sampling = field(default_factory=Sampling)
    """How each is drawn."""
    seed: int = 0
    """The same seed, prompt, weights and machine give the same text."""
    stop: tuple[str, ...] = ()
    """Texts at whose first appearance the text ends; they are not part of it."""
    stop_ids: tuple[int, ...] = (EOS_ID,)
    """Ids at which the text ends; what they stand for is not part of it."""

    def __post_init__(self) -> None:
        if not self.max_new_tokens >= 1:
            raise ConfigError(f"max_new_tokens must be at least 1, not {self.max_new_tokens!r}.")
        if "" in self.stop:
            raise ConfigError("A stop text must not be empty: every text begins with it.")

    def check_vocabulary(self, vocab_size: int) -> None:
        """Refuse what means nothing for this vocabulary.

        Raises:
            ConfigError: `top_k` or a stop id is outside it.
        """
        self.sampling.check_vocabulary(vocab_size)
        wrong = _unknown(self.stop_ids, vocab_size)
        if wrong:
            raise ConfigError(f"A stop id must lie in 0..{vocab_size - 1}, not {wrong[0]}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedToken:
    """One token of a text under way."""

    token_id: int
    text: str
    """What is certain to follow the text so far: whole characters, perhaps none."""
    log_prob: float
    """Log-probability under the model over all ids, at temperature 1; nats."""
    finish: str = ""
    """Why the text ends with this token: `length`, `stop` or `stop_id`; empty if it goes on."""


class Generation(Iterator[GeneratedToken]):
    """A text under way, made by `Writer.generate`.

    Args:
        config: How it is continued.
        stepper: Reads what was written.
        next_token: Scores what may be.
        pieces: Turns tokens into text.
        read: Features after the prompt (D,) and the state (N, H), which is overwritten.
    """

    def __init__(
        self,
        config: GenerationConfig,
        *,
        stepper: Stepper,
        next_token: NextToken,
        pieces: Pieces,
        read: tuple[Tensor, Tensor],
    ) -> None:
        self._config, self._stepper, self._next_token = config, stepper, next_token
        self._pieces = pieces
        self._features_D, self._state_NH = read
        self._random = random.Random(derive_seed(config.seed, "generate"))
        self._unread: int | None = None
        self._written = 0
        self._finished = False

    def __next__(self) -> GeneratedToken:
        if self._finished:
            raise StopIteration
        self._catch_up()
        logits_V = self._next_token(self._features_D).float().cpu().numpy()
        uniform_1 = np.array([self._random.random()])
        ids_1, log_probs_1 = draw(logits_V[None], self._config.sampling, uniform_1)
        token_id = self._unread = int(ids_1[0])
        self._written += 1
        ends = token_id in self._config.stop_ids
        text = "" if ends else self._pieces.take(token_id)
        finish = "stop_id" if ends else self._finish()
        if finish:
            self._finished = True
            text += self._pieces.rest()
        return GeneratedToken(
            token_id=token_id, text=text, log_prob=float(log_probs_1[0]), finish=finish
        )

    @property
    def state(self) -> Float[Tensor, "1 layers hidden"]:
        """The recurrent state after the prompt and every token given out, to go on from."""
        self._catch_up()
        return self._state_NH[None].clone()

    @property
    def unread(self) -> tuple[Float[Tensor, "1 layers hidden"], int] | None:
        """The state that has read all but the last token, and that token; None before the first."""
        return None if self._unread is None else (self._state_NH[None].clone(), self._unread)

    def _catch_up(self) -> None:
        """Read the last token, if that is still to be done: after the last one of all it is not."""
        if self._unread is not None:
            self._features_D = self._stepper.step(self._unread, self._state_NH)
            self._unread = None

    def _finish(self) -> str:
        if self._pieces.stopped:
            return "stop"
        return "length" if self._written == self._config.max_new_tokens else ""


class Writer:
    """A base made ready to write; keep it where more than one text is written with the base.

    Args:
        base: The frozen model and its tokenizer.

    Raises:
        ConfigError: Its ids cannot be turned back into text.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        self.stepper = make_stepper(base.model)
        self._texts = token_texts(base.encoder)

    def generate(
        self,
        prompt_ids: Sequence[int],
        config: GenerationConfig,
        *,
        adapter_DD: Float[Tensor, "width width"] | None = None,
        state: Float[Tensor, "1 layers hidden"] | None = None,
        next_token: NextToken | None = None,
    ) -> Generation:
        """See the function `generate`."""
        if adapter_DD is not None and next_token is not None:
            raise ConfigError("Give fast weights or what scores the next token, not both.")
        model = self.base.model
        config.check_vocabulary(model.config.vocab_size)
        return Generation(
            config,
            stepper=self.stepper,
            next_token=self.stepper.head(adapter_DD) if next_token is None else next_token,
            pieces=Pieces(self._texts, config.stop),
            read=_read(model, self.stepper, prompt_ids, state),
        )


def generate(
    base: Base,
    prompt_ids: Sequence[int],
    config: GenerationConfig,
    *,
    adapter_DD: Float[Tensor, "width width"] | None = None,
    state: Float[Tensor, "1 layers hidden"] | None = None,
    next_token: NextToken | None = None,
) -> Generation:
    """Continue a text; the prompt is read at the call, tokens are drawn as they are asked for.

    Args:
        base: The frozen model and its tokenizer.
        prompt_ids: What to continue, at least one id.
        config: How.
        adapter_DD: Fast weights; None writes with the base alone.
        state: Recurrent state to go on from, which is left as it is; None starts afresh.
        next_token: Scores the next token from the features of the frozen part; None is the model's
            head under `adapter_DD`.

    Returns:
        An iterator over the tokens, whose `state` is there to go on from.

    Raises:
        ConfigError: A setting does not fit the model, fast weights are given in two ways, or the
            base cannot write.
        InputError: The prompt is empty or holds an unknown id.
        PredictionError: Scores are not finite; raised by the iterator.
    """
    return Writer(base).generate(
        prompt_ids, config, adapter_DD=adapter_DD, state=state, next_token=next_token
    )


@torch.no_grad()
def _read(
    model: LanguageModel,
    stepper: Stepper,
    prompt_ids: Sequence[int],
    state_BNH: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Features after the last token of the prompt, and a state that is ours to overwrite."""
    if not prompt_ids:
        raise InputError("The prompt is empty; give at least one character to continue.")
    wrong = _unknown(prompt_ids, model.config.vocab_size)
    if wrong:
        raise InputError(
            f"An id of the prompt must lie in 0..{model.config.vocab_size - 1}, not {wrong[0]}."
        )
    if len(prompt_ids) == 1 and state_BNH is not None:  # An answer begins so; it is sooner read.
        state_NH = state_BNH[0].clone(memory_format=torch.contiguous_format)
        return stepper.step(prompt_ids[0], state_NH), state_NH
    for start in range(0, len(prompt_ids), READ_TOKENS):
        ids = list(prompt_ids[start : start + READ_TOKENS])
        tokens_BL = torch.tensor([ids], device=model.head_VD.device)
        features_BLD, state_BNH = model.features(tokens_BL, state_BNH)
    assert state_BNH is not None, "at least one token was read"
    return features_BLD[0, -1].clone(), state_BNH[0].clone().contiguous()


def _unknown(ids: Sequence[int], vocab_size: int) -> list[int]:
    return [token_id for token_id in ids if not 0 <= token_id < vocab_size]
