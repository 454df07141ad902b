"""The blocks of docs/extending.md run as they stand, and what they add is then really used.

Each in an interpreter of its own: what a block registers must not reach the other tests.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, read_page

BLOCKS = {
    block.tag.removeprefix("python tested "): block.text
    for block in read_page(ROOT / "docs/extending.md").blocks
    if block.tag.startswith("python tested ")
}

RUN = """
from dataclasses import replace
import torch
from ttt.core.cache import CacheConfig
from ttt.monitors.documents import Document, chunk_groups
from ttt.monitors.gradient import run_monitor
from ttt.monitors.options import MonitorOptions
from ttt.monitors.setup import monitor_config, random_base, saved_base

TEXT_OF_IT = "The bridge opens at ten, and nobody waits."
TEXT = "The ferry leaves at nine and the bridge opens at ten, so nobody waits for long. " * 3

def events(base, text=TEXT, **changes):
    options = MonitorOptions(text=text, chunk_tokens=16)
    config = replace(monitor_config(options, base), **changes)
    documents = [Document(name="d", pieces=[text])]
    groups = chunk_groups(documents, encoder=base.encoder, chunk_tokens=16)
    return list(run_monitor(groups, base=base, config=config))

gru = random_base("gru", seed=0)
"""

USES = {
    "backbone": """
x_BLD = torch.randn(2, 11, 8)
leaky = BACKBONES.get("leaky")(width=8, layers=1, hidden=8)
whole, end = leaky(x_BLD)
first, state = leaky(x_BLD[:, :4])
second, again = leaky(x_BLD[:, 4:], state)
assert torch.allclose(whole, torch.cat([first, second], dim=1), atol=1e-6)
assert torch.allclose(end, again, atol=1e-6) and end.shape == (2, *leaky.state_shape)
seen = events(random_base("leaky", seed=0))
assert [e.outcome for e in seen[:2]] == ["committed", "committed"] and seen[0].backbone == "leaky"

class Mixing(LeakyAverage):  # Something to train: the average alone has no weights.
    def __init__(self, *, width, layers, hidden):
        super().__init__(width=width, layers=layers, hidden=hidden)
        self.mix = torch.nn.Linear(width, width, bias=False)

    def forward(self, x_BLD, state_BNH=None):
        return super().forward(self.mix(x_BLD), state_BNH)

BACKBONES.register("mixing", Mixing)

from pathlib import Path
from ttt.text_lm.train import train
from ttt.text_lm.train_options import TrainOptions
Path("mine.txt").write_text(TEXT * 40)
small = dict(vocab_size=300, d_model=16, n_layers=1, seq_len=16, batch_size=4, steps=4)
options = TrainOptions(backbone="mixing", model_id="mine", corpus=("mine.txt",), **small)
losses = train(options, root=Path("tree"), progress=lambda *told: None).held_out
assert 0.0 < losses["ar_nats_per_token"] < 6.0  # ln 300 is 5.7.
trained = saved_base(Path("tree"), "mine")
assert trained.model.config.backbone == "mixing"
assert [e.outcome for e in events(trained)][:1] == ["committed"]
""",
    "objective": """
every = OBJECTIVES.get("every_second")(0.15)
tokens = torch.arange(4, 17)[None]
assert every.examples(tokens).targets_N.tolist() == list(range(5, 17, 2))
seen = events(gru, objective=every, objective_name="every_second")
assert {e.objective for e in seen} == {"every_second"} and seen[0].outcome == "committed"
assert seen[0].losses.bound - seen[0].losses.base > 0.08  # ln 2 over 8 predictions, not 16.
""",
    "rule": """
rule = RULES.get("sign")(None, None)
seen = events(gru, rule=rule)
assert seen[0].outcome == "committed"
assert abs(seen[0].signals.attempted_update_norm - 64 * 1e-4) < 1e-4  # 64 x 64 entries of 1e-4.
""",
    "gate": """
loud, calm = events(gru, TEXT.upper()), events(gru)
assert loud[0].outcome == "refused" and loud[0].gate_reasons == ("shouting",)
assert calm[0].outcome == "committed"
""",
    "signal": """
readings = [e.flat()["extra_signals"]["longest_word"] for e in events(gru, "a river " * 30)]
assert set(readings) == {5.0}
""",
    "context": """
from pathlib import Path
from ttt.text_lm.chat.conversation import ChatRoom
from ttt.text_lm.chat.options import ChatSettings, SayOptions

said = {}
room = ChatRoom(Path("tree"))
for name in ("eager", "linear+cache"):
    room.new(name.replace("+", "-"), ChatSettings(context=name))
    for _ in range(2):
        *_, done = room.send(name.replace("+", "-"), TEXT_OF_IT, SayOptions(max_new_tokens=0))
    said[name] = done.data["loss_read"]
assert said["eager"] != said["linear+cache"]
done = room.revert("eager", "1")
assert done.exact and done.session.head.n == 3
""",
}


def test_every_block_has_its_use():
    assert sorted(BLOCKS) == sorted(USES)


@pytest.mark.parametrize("name", USES)
def test_what_a_block_adds_is_used(name: str, tmp_path: Path):
    (tmp_path / "ttt").symlink_to(ROOT / "ttt")
    done = subprocess.run(
        [sys.executable, "-c", f"{BLOCKS[name]}\n{RUN}\n{USES[name]}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
