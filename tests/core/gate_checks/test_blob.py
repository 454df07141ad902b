import base64
import random

import numpy as np
import pytest

from ttt.core.gate_checks.blob import BLOB_BYTES_MIN, blob, oversized
from ttt.core.gate_checks.chunk import ChunkText, GateConfig

CONFIG = GateConfig()
NOISE = random.Random(3)
BYTES = NOISE.randbytes(400)
MINIFIED = "function f(a,b){var c=a*b;for(var i=0;i<c;i++){g(i);h(a[i]);}return c;}"
PRINTABLE = "".join(chr(NOISE.randrange(33, 127)) for _ in range(500))
ANY_PLANE = "".join(chr(NOISE.randrange(0x21, 0xD7FF)) for _ in range(400))
DNA = "\n".join("".join(NOISE.choices("ACGT", k=70)) for _ in range(7))
PROSE = (
    "The harbour was quiet that morning, and the boats came in one after another with the tide. "
    "On the quay the baskets were weighed, the prices chalked on a board, and nobody hurried. "
)


def ruling(text, config=CONFIG):
    return blob(ChunkText(text=text, token_ids=np.arange(40)), config)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("base64", base64.b64encode(BYTES).decode()),
        ("base64", base64.encodebytes(BYTES).decode()),
        ("base64", base64.urlsafe_b64encode(BYTES).decode()),
        ("base64", base64.b32encode(BYTES).decode()),
        ("base64", base64.b64encode(PROSE.encode() * 2).decode()),
        ("hex", BYTES.hex()),
        ("hex", BYTES.hex(" ", 2)),
        ("hex", "".join(f"\\x{b:02x}" for b in BYTES[:120])),
        ("minified", MINIFIED * 6),
        ("random", PRINTABLE),
        ("random", base64.b85encode(BYTES).decode()),
        ("random", BYTES.decode("latin-1")),
        ("random", ANY_PLANE),
    ],
)
def test_each_kind_of_blob_is_refused_and_named(kind, text):
    verdict = ruling(text)
    assert verdict.reasons == ("blob",)
    assert verdict.readings[f"blob_{kind}"] == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        PROSE,
        "世界人權宣言序言鑒於對人類家庭所有成員的固有尊嚴及其平等的和不移的權利的承認乃是世界自由正義與和平的基礎"
        * 3,
        "def f(a, b):\n    return {a: g(b) for b in range(3)}\n" * 6,
        '{"ts":1700000000,"level":"info","msg":"user logged in","ms":12}\n' * 6,
        "2024-05-01T10:00:00Z INFO GET /api/v1/items/42 200 12ms request=9f86d081884c7d65\n" * 5,
        "See https://example.org/a/rather/long/path/to/some/page.html for more. " + PROSE,
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08. " + PROSE * 2,
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5 7. Bb3 d6 8. c3 O-O\n" * 5,
        DNA,
    ],
    ids=lambda text: text[:20],
)
def test_what_only_resembles_a_blob_passes(text):
    assert ruling(text).allowed


def test_base64_counts_from_its_share_on():
    run = base64.b64encode(BYTES).decode()[:200]
    words = ("word " * 200)[: 500 - len(run)]
    assert not ruling(run + " " + words[:-1]).allowed
    assert ruling(run + " " + words[:-1], GateConfig(blob_share=0.41)).allowed


@pytest.mark.parametrize(
    "text",
    [BYTES.hex(), base64.b64encode(BYTES).decode(), MINIFIED, BYTES.decode("ascii", "ignore")],
    ids=("hex", "base64", "minified", "control"),
)
def test_a_scrap_is_no_blob_but_a_row_of_bytes_is(text):
    assert ruling(text[: BLOB_BYTES_MIN - 1]).allowed
    assert not ruling(text[:BLOB_BYTES_MIN]).allowed


def test_chinese_is_not_called_random_however_badly_it_deflates():
    text = "".join(chr(NOISE.randrange(0x4E00, 0x9FA5)) for _ in range(300))
    chunk = ChunkText(text=text, token_ids=np.arange(40))
    assert chunk.deflate_relative > CONFIG.random_deflate_relative
    assert blob(chunk, CONFIG).allowed


def test_a_chunk_over_the_cap_is_refused_and_one_at_the_cap_is_not():
    config = GateConfig(text_chars_max=100)
    ids = np.arange(40)
    assert oversized(ChunkText(text="a" * 100, token_ids=ids), config).allowed
    verdict = oversized(ChunkText(text="a" * 101, token_ids=ids), config)
    assert verdict.reasons == ("oversized",)
