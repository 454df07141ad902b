"""README and docs against the code: all that exists is told, and nothing else is.

Covered: names, options, files, links, commands and the blocks tagged `tested`. Not covered: whether
a sentence is true, and figures, which the benchmarks print.
"""

import ast
import math
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.__main__ import SUITES
from tests.docs.markdown import ROOT, Block, Page, all_pages, read_page
from tests.docs.tables import option_table
from tests.monitors.hand_made import COMMITTED
from ttt.api.jobs_command import COMMANDS as JOBS_COMMANDS
from ttt.branching.options import FsckOptions
from ttt.cli import COMMANDS
from ttt.core.backbone import BACKBONES
from ttt.core.gate import GATE_CHECKS, WRITE_CHECKS
from ttt.core.gate_checks.chunk import GateConfig
from ttt.core.objective import OBJECTIVES
from ttt.core.rollback import Rise, RollbackConfig, rollback_verdict
from ttt.core.rules import RULES
from ttt.doctor import DoctorOptions
from ttt.lib.options import is_switch, option_names
from ttt.lib.stats import RobustHistory
from ttt.monitors.decisions import Decision
from ttt.monitors.events import Signals
from ttt.monitors.options import MonitorOptions
from ttt.monitors.signals import SIGNALS, FlagThresholds, flags
from ttt.settings import Settings
from ttt.spine.change import Outcome
from ttt.text_lm.chat.command import COMMANDS as CHAT_COMMANDS
from ttt.text_lm.generate import GenerateOptions
from ttt.text_lm.models_command import COMMANDS as MODELS_COMMANDS
from ttt.text_lm.sleep.command import COMMANDS as SLEEP_COMMANDS
from ttt.text_lm.starter import StarterOptions
from ttt.text_lm.tokenizer_command import COMMANDS as TOKENIZER_COMMANDS
from ttt.text_lm.train_options import TrainOptions
from ttt.text_lm.ttt_chat import ChatOnceOptions
from ttt.ui.dashboard import DashboardOptions
from ttt.ui.serve import ListenOptions, ServeOptions
from ttt_ssm_nano.phase0_options import Phase0Options
from ttt_ssm_nano.phase1_branching_muon import COMMANDS as NANO_COMMANDS

PAGES = all_pages()
SPANS = {span for page in PAGES for span in page.spans}
README = PAGES[0]
SENTRY_SPANS = set(read_page(ROOT / "docs/sentry.md").spans)
TESTED = [block for page in PAGES for block in page.blocks if block.tag == "bash tested"]
BLOCK_SECONDS_MAX = 60
COMPILING = """
ttt nano init_base --pretrain_steps 1
ttt nano new_session --session_id a
ttt nano run_session --session_id a --steps 40
"""
CHAT_OPTIONS = tuple(CHAT_COMMANDS.values())
SLEEP_OPTIONS = tuple(SLEEP_COMMANDS.values())
NANO_OPTIONS = tuple(NANO_COMMANDS.values())
OPTIONS = {
    "run_monitor.py": (MonitorOptions,),
    "ttt monitor": (MonitorOptions,),
    "ttt train": (TrainOptions,),
    "ttt generate": (GenerateOptions,),
    "ttt models": tuple(model for model, _ in MODELS_COMMANDS.values()),
    "ttt tokenizer": tuple(model for model, _ in TOKENIZER_COMMANDS.values()),
    "ttt doctor": (DoctorOptions,),
    "ttt chat": CHAT_OPTIONS,
    "ttt.text_lm.ttt_chat": (ChatOnceOptions,),
    "ttt sleep": SLEEP_OPTIONS,
    "ttt.text_lm.sleep": SLEEP_OPTIONS,
    "ttt serve": (ServeOptions,),
    "ttt jobs": tuple(JOBS_COMMANDS.values()),
    "ttt_ssm_nano.artifacts_api": (ListenOptions,),
    "ttt.ui.dashboard": (DashboardOptions,),
    "ttt nano": NANO_OPTIONS,
    "ttt_ssm_nano/phase0_muon.py": (Phase0Options,),
    "ttt_ssm_nano/phase1_branching_muon.py": NANO_OPTIONS,
    "ttt fsck": (FsckOptions,),
    "ttt.text_lm.train": (TrainOptions,),
    "ttt.text_lm.generate": (GenerateOptions,),
    "ttt.text_lm.starter": (StarterOptions,),
    "./start.sh": (ServeOptions,),
}


def makefile_targets() -> list[str]:
    text = (ROOT / "Makefile").read_text()
    return re.findall(r"^([a-z-]+):", text, re.MULTILINE)


def reasons_in_code() -> set[str]:
    """Every reason that some rule gives: literals behind `reasons=`, and those of the rollback."""
    found: set[str] = set()
    for path in (ROOT / "ttt").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "reasons":
                found |= {
                    one.value
                    for one in ast.walk(node.value)
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
    worst = Rise(start=0.0, before=0.0, after=math.inf)
    history = RobustHistory(window=64)
    return found | {
        reason
        for reason in rollback_verdict(worst, history, RollbackConfig()).reasons
        if ":" not in reason
    }


def flag_reasons() -> tuple[str, ...]:
    far = dict.fromkeys(("grad_norm", "attempted_update_norm", "grad_z", "update_z"), math.inf)
    signals = Signals(token_entropy=0.0, token_diversity=0.0, compression_ratio=0.0, **far)
    return flags(signals, FlagThresholds())


def spellings(model) -> set[str]:
    """Every long option of a command."""
    found = {"--config", "--debug", "--help"}
    for name, option in option_names(model).items():
        found.add(f"--{option}")
        if is_switch(model.model_fields[name].annotation):
            negated = option.replace("enable_", "disable_")
            found.add(f"--{negated}" if negated != option else f"--no_{option}")
    return found


def documented_options() -> set[str]:
    """Options as they stand in code spans: `--lr FLOAT`, `--enable_gate`, also in a command."""
    return {word for span in SPANS for word in re.findall(r"--[a-z][\w-]*+(?!…)", span)}


@pytest.mark.parametrize(
    "model",
    [
        *NANO_OPTIONS,
        *CHAT_OPTIONS,
        ChatOnceOptions,
        *OPTIONS["ttt models"],
        *OPTIONS["ttt jobs"],
        MonitorOptions,
        TrainOptions,
        GenerateOptions,
        DoctorOptions,
    ],
)
def test_every_option_is_documented(model):
    assert spellings(model) - documented_options() - idle_negations(model) == set()


def idle_negations(model) -> set[str]:
    """`--no_x` of a switch that is off by default: allowed, hidden from help and not documented."""
    return {
        f"--no_{option}"
        for name, option in option_names(model).items()
        if model.model_fields[name].default is False
    }


def test_the_table_of_options_is_that_of_the_code():
    table, page = option_table(MonitorOptions), (ROOT / "docs/sentry.md").read_text("utf-8")
    assert table in page, f"docs/sentry.md should hold this (python -m tests.docs.tables):\n{table}"


def test_every_field_of_an_event_is_documented():
    assert set(COMMITTED.flat()) - SENTRY_SPANS == set()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("backbone", BACKBONES.names()),
        ("objective", OBJECTIVES.names()),
        ("rule", RULES.names()),
        ("gate check", (*GATE_CHECKS.names(), *WRITE_CHECKS.names())),
        ("signal", SIGNALS.names()),
        ("gate limit", tuple(GateConfig.__dataclass_fields__)),
        ("outcome", tuple(str(one) for one in Outcome)),
    ],
)
def test_every_name_of_its_kind_is_documented(kind, names):
    assert [name for name in names if name not in SPANS] == [], kind


def test_every_reason_is_explained_on_the_page_of_sentry_or_of_sleep():
    told = SENTRY_SPANS | set(read_page(ROOT / "docs/sleep.md").spans)
    assert {*reasons_in_code(), *flag_reasons()} - told == set()


def test_the_scan_for_reasons_sees_them():
    """The scan sees those that are known to exist, so it cannot pass by seeing none."""
    known = {"blob", "oversized", "ood_heavy_write", "canary_z", "budget", "write_suppressed"}
    assert known <= reasons_in_code()
    assert flag_reasons() == ("grad_norm", "update_norm", "grad_z", "update_z")


def test_every_decision_has_its_word_in_the_docs():
    sentry = (ROOT / "docs/sentry.md").read_text("utf-8")
    assert [one.word for one in Decision if one.word not in sentry] == []


def test_every_command_is_documented():
    words = {tuple(words[:2]) for page in PAGES for words in page.commands()}
    expected = {("ttt", name) for name in COMMANDS} | {("./start.sh",), ("./test.sh",)}
    expected |= {("make", target) for target in makefile_targets()}
    assert expected - words == set()
    assert {f"python -m benchmarks {suite}" for suite in SUITES} - SPANS == set()


def test_every_environment_variable_is_documented():
    read = {
        variable
        for path in (*(ROOT / "ttt").rglob("*.py"), *(ROOT / ".ci").iterdir(), ROOT / "start.sh")
        for variable in re.findall(r"\bTTT_[A-Z][A-Z_]*[A-Z]\b", path.read_text("utf-8"))
    }
    read |= {f"TTT_{name.upper()}" for name in Settings.model_fields}
    assert {v for v in read if not any(v in span for span in SPANS)} == set()


def rooms() -> list[str]:
    """The rooms that exist, as they are written in the README."""
    packages = [path.parent.name for path in (ROOT / "ttt").glob("*/__init__.py")]
    return [f"ttt/{name}" for name in packages if name != "__pycache__"]


def mapped_rooms() -> list[str]:
    """The first column of the README's map, from above to below."""
    return re.findall(r"^\| `(ttt/\w+)` \|", README.prose, re.MULTILINE)


def test_the_map_holds_the_rooms_that_exist_and_no_other():
    assert sorted(mapped_rooms()) == sorted(rooms())


def test_the_map_stands_in_the_order_of_the_contract():
    config = (ROOT / "pyproject.toml").read_text("utf-8")
    layers = config[config.index("layers = [") :]
    order = [layers.index(f"{room.replace('/', '.')}") for room in mapped_rooms()]
    assert order == sorted(order)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Page):
    broken = []
    for link in page.links:
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        if not path.exists() or (anchor and anchor not in read_page(path).anchors):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_is_named_exists(page: Page):
    pattern = re.compile(r"(?:ttt|tests|benchmarks|docs|\.ci|ttt_ssm_nano)/[\w./-]*\w")
    named = {span for span in page.spans if pattern.fullmatch(span)}
    assert {span for span in named if not (ROOT / span).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Page):
    assert [" ".join(words) for words in page.commands() if (wrong(words))] == []


def wrong(words: list[str]) -> bool:
    """Whether a command names a module, sub-command, target, file or option that is not there."""
    if words[0] == "make":
        return any(word not in makefile_targets() for word in words[1:] if word[0] not in "-.")
    target, rest = program_of(words)
    given = {word.partition("=")[0].replace("-", "_") for word in rest if word.startswith("--")}
    known = {option.replace("-", "_") for option in options_of(target)}
    return not (exists(target) and given <= known)


def program_of(words: list[str]) -> tuple[str, list[str]]:
    """What a command runs, and with which arguments: a file, a module, or `ttt` and its command."""
    if words[0].startswith("./"):
        return words[0], words[1:]
    if words[0] == "ttt":
        return f"ttt {words[1]}", words[2:]
    if words[1:3] == ["-m", "ttt"]:
        return program_of(words[2:])
    return (words[2], words[3:]) if words[1] == "-m" else (words[1], words[2:])


def exists(target: str) -> bool:
    if target.startswith("ttt "):
        return target.removeprefix("ttt ") in COMMANDS
    if target.startswith("./") or target.endswith(".py"):
        return (ROOT / target).is_file()
    return find_spec(target) is not None


def options_of(target: str) -> set[str]:
    """The options of a program: from its model, or the literals of a module without one."""
    if target in OPTIONS:
        own = {"--dev"} if target == "./start.sh" else set()
        return own.union(*(spellings(model) for model in OPTIONS[target]))
    path = ROOT / (target.replace(".", "/") + ".py")
    path = path if path.is_file() else ROOT / target.replace(".", "/") / "__main__.py"
    return set(re.findall(r'"(--[a-z_-]+)"', path.read_text("utf-8"))) if path.is_file() else set()


def test_every_option_that_is_named_exists():
    sources = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tests").glob("**/*.py")]
    known = {o for path in sources for o in re.findall(r'"(--[a-z_-]+)"', path.read_text("utf-8"))}
    for models in OPTIONS.values():
        known |= set().union(*(spellings(model) for model in models))
    known |= {option.replace("_", "-") for option in known}
    assert {o for o in documented_options() if o not in known} == set()


@pytest.mark.parametrize(
    "command",
    ["ttt sing", "python -m ttt.arena", "make cake", "./run.sh", "ttt train --d_mode 3",
     "python run_monitor.py --demo --optimiser sgd", "python -m benchmarks.gate --token starter"],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_seen(command):
    page = Page(path=ROOT / "README.md", text="", blocks=(), prose=f"Call `{command}`.")
    assert [wrong(words) for words in page.commands()] == [True]


def test_commands_are_found_behind_variables_prompts_and_pipes():
    block = Block(
        tag="", text="$ A=1 B=2 make soak\ncat x | ttt train --steps 3 > y  # z\n", where=""
    )
    page = Page(path=ROOT / "README.md", text="", blocks=(block,), prose="")
    assert list(page.commands()) == [["make", "soak"], ["ttt", "train", "--steps", "3"]]


@pytest.fixture
def working_copy(tmp_path: Path) -> Path:
    """A folder that looks like the project's and takes what a block writes."""
    for name in ("ttt", "ttt_ssm_nano", "benchmarks", "tests", "run_monitor.py", "Makefile"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def run_block(text: str, folder: Path, **limits: float) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    keep = {k: v for k, v in os.environ.items() if k not in ("ARTIFACTS_ROOT", "TTT_CONFIG")}
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [bash, "-euo", "pipefail", "-c", text],
        cwd=folder,
        env={**keep, "PATH": commands, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        **limits,
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A fresh clone compiles its loops when they are first called: no block's time, but its own."""
    run_block(COMPILING, tmp_path_factory.mktemp("compiling"))


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("block", TESTED, ids=lambda block: block.where)
def test_every_tested_block_runs(block: Block, working_copy: Path):
    done = run_block(block.text, working_copy, timeout=BLOCK_SECONDS_MAX)
    assert done.returncode == 0, f"{block.where}: {done.stdout}{done.stderr}"


def test_there_are_blocks_to_run():
    assert {block.where.partition(":")[0] for block in TESTED} >= {"README.md"}
