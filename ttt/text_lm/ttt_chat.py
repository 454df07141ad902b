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
    from ttt.lib.allocator import tune_memory

    tune_memory()
    import torch

    from ttt.branching.screen import show_answer
    from ttt.errors import NotFoundError
    from ttt.store.domains import TEXT
    from ttt.store.sessions import open_session
    from ttt.text_lm.chat.commands import answer_of
    from ttt.text_lm.chat.conversation import ChatRoom
    from ttt.text_lm.chat.options import NewChatOptions

    torch.set_num_threads(1)
    room, root = ChatRoom(options.artifacts_root), options.artifacts_root
    try:
        open_session(root, TEXT, options.session_id)
    except NotFoundError:
        settings = {name: getattr(options, name) for name in ChatSettings.model_fields}
        room.new(NewChatOptions(artifacts_root=root, session_id=options.session_id, **settings))
    given = {name: getattr(options, name) for name in SayOptions.model_fields}
    said = list(room.send(options.session_id, options.prompt, SayOptions.model_validate(given)))
    return show_answer(answer_of(said), json_output=options.json_output)


if __name__ == "__main__":
    sys.exit(main())
