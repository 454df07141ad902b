"""What one message left to be learned from again: its text, and all that it was read with.

A message is read in the recurrent state that the conversation had reached, answers included. The
lesson carries that state, before and after, so that replaying a history without one message learns
the others from exactly what they were learned from (docs/decisions/0014).

Shapes: N layers, H hidden.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ttt.errors import CorruptArtifactError
from ttt.store.tensor_files import decode_arrays, encode_arrays
from ttt.text_lm.chat.state import as_bytes, as_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point of a conversation, as far as reading on depends on it."""

    hidden_1NH: Float[Tensor, "1 layers hidden"]
    """Recurrent state after every token but the last."""
    last_id: int
    carry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLesson:
    """One message, ready to be learned again."""

    text: str
    """As it was read: the message with its line ends."""
    learning: bool
    """Whether it is learned from, or only read."""
    first_chunk: int
    """Number of its first chunk."""
    before: Point
    after: Point
    """Behind the answer."""


def encode_lesson(lesson: ChatLesson) -> bytes:
    """Write a lesson as safetensors."""
    before, after = lesson.before, lesson.after
    numbers = [before.last_id, after.last_id, lesson.first_chunk, int(lesson.learning)]
    return encode_arrays(
        {
            "input.text": as_bytes(lesson.text),
            "input.carry": as_bytes(before.carry),
            "input.carry_after": as_bytes(after.carry),
            "input.hidden": before.hidden_1NH.numpy(force=True),
            "input.hidden_after": after.hidden_1NH.numpy(force=True),
            "input.numbers": np.array(numbers, np.int64),
        }
    )


def decode_lesson(data: bytes, *, where: str = "a message's input") -> ChatLesson:
    """Read a lesson.

    Raises:
        CorruptArtifactError: The bytes are damaged or no lesson.
    """
    found = decode_arrays(data, where)
    try:
        last_id, last_id_after, first_chunk, learning = (int(n) for n in found["input.numbers"])
        hidden = [
            torch.from_numpy(np.array(found[name]))
            for name in ("input.hidden", "input.hidden_after")
        ]
        return ChatLesson(
            text=as_text(found["input.text"], where),
            learning=bool(learning),
            first_chunk=first_chunk,
            before=Point(
                hidden_1NH=hidden[0], last_id=last_id, carry=as_text(found["input.carry"], where)
            ),
            after=Point(
                hidden_1NH=hidden[1],
                last_id=last_id_after,
                carry=as_text(found["input.carry_after"], where),
            ),
        )
    except (KeyError, ValueError) as error:
        raise CorruptArtifactError(f"{where} holds no message: {error}.") from None
