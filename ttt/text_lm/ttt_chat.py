"""`python -m ttt.text_lm.ttt_chat`: one message to a chat session, which is made if it is new.

python -m ttt.text_lm.ttt_chat --session_id ada --prompt "The engine weaves patterns."
"""

import sys
from collections.abc import Sequence

from pydantic import Field

from ttt.lib.flags import CommandOptions, parse, run_command
from ttt.text_lm.chat.options import ChatSettings, SayOptions


class ChatOnceOptions(ChatSettings, SayOptions, CommandOptions):
    """Send one message to a chat session, which is made if it is new."""

    session_id: str = "default"
    """The session."""
    prompt: str = Field(min_length=1)
    """The message."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Send the message; print the answer and what was learned."""
    options = parse(
        ChatOnceOptions, argv, prog="python -m ttt.text_lm.ttt_chat", description=__doc__ or ""
    )
    # Here, so that help and wrong options are answered at once.
    import torch

    from ttt.branching.screen import show_answer
    from ttt.text_lm.chat.commands import answer_of
    from ttt.text_lm.chat.conversation import ChatRoom

    torch.set_num_threads(1)  # As in `ttt chat`.
    room = ChatRoom(options.artifacts_root)
    room.start(options.session_id, options.part(ChatSettings))
    said = list(room.send(options.session_id, options.prompt, options.part(SayOptions)))
    return show_answer(answer_of(said), json_output=options.json_output)


if __name__ == "__main__":
    sys.exit(main())
