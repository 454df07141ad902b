"""`ttt generate` and `python -m ttt.text_lm.generate`: continue a text with a frozen base.

What is written goes to stdout as it is written, and nothing else does: a Ctrl-C leaves it. What is
wrong with the arguments is found before the tensor library is loaded.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ttt.errors import ConfigError, InputError
from ttt.lib.flags import CommandOptions, Flag, parse, run_command
from ttt.lib.terminal import log_console, plain, print_line
from ttt.text_lm.given_text import read_text

if TYPE_CHECKING:
    from ttt.text_lm.generation import Generation

PROMPT_BYTES_MAX = 1 << 20
"""A prompt's size at most; own: it is read in seconds, and nobody means to continue more."""
NEW_TOKENS_MAX = 1 << 20
DESCRIPTION = "Continue a text with a frozen base; what is written goes to stdout as it is written."

_PROMPT = Flag(group="prompt (one of them; without either, stdin is read)")
_SAMPLING = Flag(group="sampling")
_END = Flag(group="where the text ends")


class GenerateOptions(CommandOptions):
    """Continue a text with a frozen base."""

    base: str | None = Field(default=None, min_length=1)
    """The model: starter (which is starter-gru), starter-ssm, or a trained text model by its id
    (default: starter)."""
    model_id: str | None = Field(default=None, min_length=1)
    """The same as --base."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where the model runs; one text is written fastest on the CPU."""

    prompt: Annotated[str | None, _PROMPT] = None
    """The text to continue."""
    prompt_file: Annotated[Path | None, _PROMPT] = None
    """A UTF-8 file to continue."""

    temperature: Annotated[float, _SAMPLING] = Field(default=0.9, ge=0)
    """Below 1 keeps to what is likely, above 1 strays; 0 takes the likeliest token every time."""
    top_k: Annotated[int | None, _SAMPLING] = Field(default=50, ge=1)
    """Draw among so many likeliest ids; none draws among all."""
    top_p: Annotated[float, _SAMPLING] = Field(default=1.0, gt=0, le=1)
    """Of those, draw among the likeliest that together reach this share."""
    seed: Annotated[int, _SAMPLING] = 0
    """The same seed and prompt give the same text."""

    max_new_tokens: Annotated[int, _END] = Field(default=120, ge=1, le=NEW_TOKENS_MAX)
    """Tokens at most."""
    stop: Annotated[tuple[str, ...], _END] = ()
    """Texts that end it when they appear; they are not written."""
    stop_ids: Annotated[tuple[int, ...], _END] = ()
    """Ids that end it, besides the one that ends a document; they are not written either."""
    ignore_eos: Annotated[bool, _END] = False
    """Go on where a document ends."""


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Write a text."""
    options = parse(GenerateOptions, argv, prog="ttt generate", description=DESCRIPTION)
    name, prompt = base_name(options), prompt_of(options)
    generation = start(options, name, prompt)
    if options.json_output:
        for token in generation:
            sys.stdout.write(json.dumps(asdict(token)) + "\n")
            sys.stdout.flush()
        return 0
    show(generation)
    return 0


def base_name(options: GenerateOptions) -> str:
    """The model that is meant.

    Raises:
        ConfigError: Two are, or one that cannot write.
    """
    if options.base is not None and options.model_id is not None:
        raise ConfigError("--base and --model_id name the same thing; keep one.")
    name = options.base or options.model_id or "starter"
    if name == "random":
        raise ConfigError(
            "The random base has hashed words, and a hash does not turn back into its word; choose "
            "starter or a trained text model."
        )
    return name


def prompt_of(options: GenerateOptions) -> str:
    """The text to continue.

    Raises:
        ConfigError: There is none, or there are two.
        InputError: It cannot be read, or is empty.
    """
    if options.prompt is not None and options.prompt_file is not None:
        raise ConfigError("--prompt and --prompt_file are two prompts; keep one.")
    if options.prompt is None and options.prompt_file is None and sys.stdin.isatty():
        raise ConfigError("There is nothing to continue; give --prompt TEXT or --prompt_file FILE.")
    text = options.prompt
    if text == "":
        raise ConfigError("--prompt is empty; give at least one character to continue.")
    if text is None:
        remedy = "give its end, a continuation hangs on little else"
        text = read_text(options.prompt_file, bytes_max=PROMPT_BYTES_MAX, remedy=remedy)
    if not text:
        where = options.prompt_file or "The standard input"
        raise InputError(f"{where} is empty; give at least one character to continue.")
    return text


def start(options: GenerateOptions, name: str, prompt: str) -> "Generation":
    """Open the model and read the prompt."""
    from ttt.core.tokens import EOS_ID
    from ttt.monitors.setup import named_base, on_device
    from ttt.text_lm.generation import GenerationConfig, generate
    from ttt.text_lm.sampling import Sampling

    sampling = Sampling(temperature=options.temperature, top_k=options.top_k, top_p=options.top_p)
    config = GenerationConfig(
        max_new_tokens=options.max_new_tokens,
        sampling=sampling,
        seed=options.seed,
        stop=options.stop,
        stop_ids=(*options.stop_ids, *(() if options.ignore_eos else (EOS_ID,))),
    )
    base = on_device(named_base(options.artifacts_root, name), options.device)
    return generate(base, base.encoder.encode(prompt), config)


def show(generation: "Generation") -> None:
    """Write the text as it comes; on a terminal with nothing in it that could drive one."""
    terminal = sys.stdout.isatty()
    tokens, finish = 0, ""
    try:
        for token in generation:
            tokens, finish = tokens + 1, token.finish
            sys.stdout.write(harmless(token.text) if terminal else token.text)
            sys.stdout.flush()
    finally:
        if terminal:
            sys.stdout.write("\n")
    print_line(log_console(), f"{tokens} tokens; ended by {finish}")


def harmless(text: str) -> str:
    """Text in which control characters but line ends and tabs are spelled out."""
    return "".join(c if c in "\n\t" else plain(c) for c in text)


if __name__ == "__main__":
    sys.exit(main())
