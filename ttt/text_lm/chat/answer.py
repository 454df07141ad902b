"""An answer under way: its pieces, how it ended, and where it leaves the conversation."""

from collections.abc import Iterator
from dataclasses import replace

from ttt.core.gate import CARRY_CHARS
from ttt.text_lm.chat.learner import Learner, Taken
from ttt.text_lm.chat.options import SayOptions
from ttt.text_lm.chat.state import ChatState
from ttt.text_lm.chat.voice import next_token_of
from ttt.text_lm.generation import Generation, GenerationConfig, Writer
from ttt.text_lm.sampling import Sampling


class Answer(Iterator[str]):
    """An answer to one message, piece by piece.

    Args:
        config: How it is drawn; None answers nothing.
        writer: Of the base.
        learner: Whose settings count.
        taken: The message.
    """

    def __init__(
        self, config: GenerationConfig | None, *, writer: Writer, learner: Learner, taken: Taken
    ) -> None:
        self.text, self.finish, self.tokens = "", "none" if config is None else "interrupted", 0
        self._generation: Generation | None = None
        if config is not None:
            state = taken.state
            self._generation = writer.generate(
                [state.last_id],
                config,
                state=state.hidden_1NH,
                next_token=next_token_of(learner, writer.stepper, state.fast, taken.expert_weights),
            )

    def __next__(self) -> str:
        if self._generation is None:
            raise StopIteration
        token = next(self._generation)
        self.text += token.text
        self.finish = token.finish or self.finish
        self.tokens += 1
        return token.text

    def told(self) -> dict[str, object]:
        """What the commit says of it."""
        return {"answer": self.text, "finish": self.finish, "answer_tokens": self.tokens}

    def after(self, state: ChatState) -> ChatState:
        """The state behind the answer, as far as it was written."""
        unread = None if self._generation is None else self._generation.unread
        if unread is None:
            return state
        hidden_1NH, last_id = unread
        carry = (state.carry + self.text)[-CARRY_CHARS:]
        return replace(state, hidden_1NH=hidden_1NH, last_id=last_id, carry=carry)


def drawing(options: SayOptions, *, vocab_size: int, chunk: int) -> GenerationConfig | None:
    """How an answer is drawn; None where none is wanted.

    Args:
        options: What was asked for.
        vocab_size: Of the base.
        chunk: Number of the message's first chunk: equal messages are answered differently.

    Raises:
        ConfigError: A setting means nothing for this vocabulary.
    """
    if options.max_new_tokens == 0:
        return None
    config = GenerationConfig(
        max_new_tokens=options.max_new_tokens,
        sampling=Sampling(
            temperature=options.temperature, top_k=options.top_k, top_p=options.top_p
        ),
        seed=options.answer_seed + chunk,
        stop=options.stop,
    )
    config.check_vocabulary(vocab_size)
    return config
