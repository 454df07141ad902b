"""docs/starter-models.md, written from `starter.json`, so that text and figures cannot disagree."""

from collections.abc import Mapping, Sequence
from typing import Any

_INTRODUCTION = """\
# Starter models

The project carries two small language models, so that everything works in the first minute and
without a download: `--base starter` with `--backbone gru` or `ssm`. They share one byte-level
tokenizer of {vocab_size} ids. Weights are stored in half precision and used in single precision;
each file also holds the Kronecker factors of the adapter's Fisher information (`fisher.A`,
`fisher.G`), which the `kfac` rule needs.

They are bases to learn on top of, not models to talk to: about ten minutes of one core each. They
know English as it stands in novels, speeches and documentation, a little Spanish, and no other
language.

This page is written by the command that trains them, from `ttt/data/starter/starter.json`.

## How they were made

```
TTT_DATA_DIR=... make starter
```

The tokenizer and both models are trained on the texts below. Muon steps the backbone's matrices,
AdamW everything else; most batches predict the next token, {mlm_percent:.0f} % the masked ones; the
recurrent state is carried over {carried} windows of {seq_len} tokens. Of the windows,
{stdlib_percent:.0f} % are documentation; the others are spread over the books by their lengths. On
the same machine, with the same versions and one thread, the same weights come out.
"""
_UNSEEN = """\
The rest of each of these texts, and every other text of the folder, was never seen: defaults are
tuned and figures are measured there. Of what was read, every twentieth block was held out.
"""


def starter_report(record: Mapping[str, Any]) -> str:
    """The page.

    Args:
        record: What `starter.json` says.
    """
    models = record["models"]
    first = next(iter(models.values()))
    introduction = _INTRODUCTION.format(
        vocab_size=first["config"]["vocab_size"],
        mlm_percent=100 * first["training"]["mlm_share"],
        stdlib_percent=100 * record["stdlib_share"],
        seq_len=first["training"]["seq_len"],
        carried=record["carried_windows"],
    )
    texts = [
        (name, f"{text['share_of_text']:.0%}", f"{text['bytes']:,}", f"`{text['sha256'][:16]}`")
        for name, text in record["corpus"].items()
    ]
    files = [(f"`{name}`", f"`{digest}`") for name, digest in record["files"].items()]
    parts = [
        introduction,
        _table(("figure", *models), [[label, *values] for label, values in _figures(models)]),
        "## Held-out loss\n",
        "Nats per token (bits per byte), next token (AR) on {} tokens from a fresh state, masked\n"
        "tokens (MLM) on {}.\n".format(
            first["training"]["seq_len"] * record["carried_windows"], first["training"]["seq_len"]
        ),
        _losses(models),
        "## Texts\n",
        _table(("text", "read from the start", "bytes read", "SHA-256 of them"), texts),
        _UNSEEN,
        f"`stdlib` is the documentation of Python {first['python']}: its own language reference\n"
        "and the documentation strings of its library; another version gives other text.\n",
        "## Files\n",
        _table(("file", "SHA-256"), files),
    ]
    return "\n".join(parts)


def _figures(models: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    each = list(models.values())
    rows = [
        (name, [str(model["config"][name]) for model in each])
        for name in ("width", "layers", "hidden")
    ]
    rows += [
        (name.replace("_", " "), [str(model["training"][name]) for model in each])
        for name in ("steps", "batch_size", "lr", "weight_decay", "seed")
    ]
    rows.append(("tokens seen", [f"{model['tokens_seen']:,}" for model in each]))
    rows.append(("processor time, s", [f"{model['cpu_s']:.0f}" for model in each]))
    rows.append(("wall time, s", [f"{model['wall_s']:.0f}" for model in each]))
    rows.append(("torch", [str(model["torch"]) for model in each]))
    return rows


def _losses(models: Mapping[str, Any]) -> str:
    headings = [f"{backbone} {kind}" for backbone in models for kind in ("AR", "MLM")]
    texts = next(iter(models.values()))["held_out"]
    rows = []
    for text in texts:
        row = [text]
        for model in models.values():
            losses = model["held_out"][text]
            row += [
                f"{losses[f'{kind}_nats_per_token']:.2f} ({losses[f'{kind}_bits_per_byte']:.2f})"
                for kind in ("ar", "mlm")
            ]
        rows.append(row)
    return _table(("text", *headings), rows)


def _table(headings: tuple[str, ...], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (headings, *rows)]
    lines.insert(1, "|" + "---|" * len(headings))
    return "\n".join(lines) + "\n"
