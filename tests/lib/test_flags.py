"""The command line from its text to validated options."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from ttt.errors import ConfigError
from ttt.lib.flags import CommandOptions, Flag, Options, parse, parse_command

ROOT = Path(__file__).resolve().parents[2]


class Demo(CommandOptions):
    chunk_tokens: int = Field(default=128, ge=1)
    """Tokens of one chunk, 100 % of them."""
    lr: float = Field(default=0.05, gt=0)
    mu: float = -1.0
    limit: float = Field(default=1.0, allow_inf_nan=True)
    threshold: float | None = 2.5
    clip: Literal["median", "none"] | Annotated[float, Field(gt=0)] = "median"
    backbone: Literal["gru", "ssm"] = "gru"
    canary_text: tuple[str, ...] = ()
    corpus: list[Path] = Field(default_factory=list)
    text: str | None = None
    enable_gate: bool = True
    """Judge each chunk first."""
    disable_rollback: bool = False
    forbid: bool = False
    learn: bool = True
    report: Annotated[Path | None, Flag(bare="report.json")] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Flag(env=("TEXT_LM_DEVICE",), group="machine")
    ] = "auto"


class Bare(Options):
    """Options of a command that saves nothing.

    More about it.
    """

    seed: int
    """Of all randomness."""


def read(*argv: str, **environ: str) -> Demo:
    return parse(Demo, argv, prog="demo", description="A demo.", environ=environ)


# --- spellings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--chunk_tokens", "5"], "chunk_tokens", 5),
        (["--chunk-tokens", "5"], "chunk_tokens", 5),
        (["--chunk_tokens=5"], "chunk_tokens", 5),
        (["--chunk-tokens=5"], "chunk_tokens", 5),
        (["--chunk-tokens", "5", "--chunk_tokens", "6"], "chunk_tokens", 6),
        (["--enable_gate"], "enable_gate", True),
        (["--disable_gate"], "enable_gate", False),
        (["--disable-gate"], "enable_gate", False),
        (["--disable_gate", "--enable_gate"], "enable_gate", True),
        (["--disable_rollback"], "disable_rollback", True),
        (["--enable-rollback"], "disable_rollback", False),
        (["--forbid"], "forbid", True),
        (["--no-forbid"], "forbid", False),
        (["--no_learn"], "learn", False),
        (["--mu", "-1"], "mu", -1.0),
        (["--mu", "-1e-3"], "mu", -1e-3),
        (["--mu", "-.5"], "mu", -0.5),
        (["--limit", "-inf"], "limit", float("-inf")),
        (["--limit", "inf"], "limit", float("inf")),
        (["--threshold", "none"], "threshold", None),
        (["--clip", "none"], "clip", "none"),
        (["--clip", "0.5"], "clip", 0.5),
        (["--backbone", "ssm"], "backbone", "ssm"),
        (["--canary_text", "a", "--canary-text", "b"], "canary_text", ("a", "b")),
        (["--canary_text", "a", "b"], "canary_text", ("a", "b")),
        (["--canary_text=-a-b"], "canary_text", ("-a-b",)),
        (["--corpus", "a/b-c", "d"], "corpus", [Path("a/b-c"), Path("d")]),
        (["--text", "- an item"], "text", "- an item"),
        (["--text=--debug"], "text", "--debug"),
        (["--text", ""], "text", ""),
        (["--report", "x"], "report", Path("x")),
        (["--report=x"], "report", Path("x")),
        (["--report"], "report", Path("report.json")),
        (["--report", "--learn"], "report", Path("report.json")),
        (["--learn"], "report", None),
        (["--json"], "json_output", True),
        (["--artifacts-root", "x"], "artifacts_root", Path("x")),
        (["--debug"], "text", None),
        ([], "chunk_tokens", 128),
    ],
)
def test_a_flag_sets_its_field(argv, field, value):
    assert getattr(read(*argv), field) == value


def test_what_was_given_is_told_from_what_is_a_default():
    assert read("--lr", "0.05", TTT_TEXT="x").model_fields_set == {"lr", "text"}


def test_debug_is_understood_by_a_command_that_has_no_global_fields():
    bare = parse(Bare, ["--seed", "-3", "--debug"], prog="bare", description="B.", environ={})
    assert bare == Bare(seed=-3)


# --- precedence -----------------------------------------------------------------------------------


def test_defaults_yield_to_the_file_then_the_environment_then_the_flags(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("chunk-tokens: 1\nlr: 1\nmu: 1\nenable_gate: false\ntext: file\n")
    environ = {"TTT_LR": "2", "TTT_MU": "2", "TTT_TEXT": "environment"}
    options = read("--config", str(config), "--mu", "3", "--enable_gate", **environ)
    assert (options.backbone, options.chunk_tokens, options.lr, options.mu) == ("gru", 1, 2, 3)
    assert options.text == "environment"
    assert options.enable_gate is True


def test_a_documented_variable_stands_beside_the_general_one():
    assert read(TEXT_LM_DEVICE="cpu").device == "cpu"
    assert read(TEXT_LM_DEVICE="cpu", TTT_DEVICE="cuda").device == "cuda"
    assert read("--device", "auto", TEXT_LM_DEVICE="cpu").device == "auto"
    assert read(ARTIFACTS_ROOT="here").artifacts_root == Path("here")
    assert read(TTT_ENABLE_GATE="false").enable_gate is False


def test_the_config_file_itself_may_come_from_the_environment(tmp_path):
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("lr: 1")
    other.write_text("lr: 2")
    assert read(TTT_CONFIG=str(one)).lr == 1
    assert read("--config", str(other), TTT_CONFIG=str(one)).lr == 2


def test_the_process_is_asked_when_nothing_is_handed_in(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["demo", "--lr", "7"])
    monkeypatch.setenv("TTT_MU", "8")
    options = parse(Demo, prog="demo", description="A demo.")
    assert (options.lr, options.mu) == (7, 8)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--chunk_tokens", "0"], "--chunk_tokens must be at least 1, but is '0'"),
        (["--chunk_tokens", "1.5"], "--chunk_tokens must be a whole number"),
        (["--chunk_tokens", "true"], "--chunk_tokens must be a whole number"),
        (["--lr", "nan"], "--lr must be a finite number, but is 'nan'"),
        (["--lr", "inf"], "--lr must be a finite number"),
        (["--lr", "1e400"], "--lr must be a finite number"),
        (["--mu", "-inf"], "--mu must be a finite number"),
        (["--clip", "nan"], "--clip must be .* finite number"),
        (["--clip", "-1"], "--clip must be .* greater than 0, but is '-1'"),
        (["--threshold", "None"], "--threshold must be a number"),
        (["--backbone", "gr"], "did you mean 'gru'"),
        (["--artifacts_root", ""], "--artifacts_root must not be empty"),
        (["--text", "\udcff"], "--text must be UTF-8"),
        (["--chunk_token", "5"], "Unknown option --chunk_token [(]did you mean '--chunk_tokens'"),
        (["--chunk", "5"], "Unknown option --chunk"),
        (["--zzz=5"], "Unknown option --zzz;"),
        (["word"], "Unexpected argument 'word'"),
        (["--", "--lr", "1"], "Unexpected argument '--'"),
        (["--lr"], "--lr: expected one argument .*--lr=VALUE"),
        (["--text", "--weird"], "--text: expected one argument .*--text=VALUE"),
        (["--forbid=5"], "--forbid"),
        (["--config", "/nonexistent.yaml"], "Cannot read the config file /nonexistent.yaml"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_sentence(argv, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read(*argv)
    assert "\n" not in str(caught.value)


def test_every_wrong_field_has_its_line_and_says_where_it_came_from(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("chunk_tokens: 0\nlr: .nan")
    with pytest.raises(ConfigError) as caught:
        read("--config", str(config), "--clip", "x", TTT_MU="y")
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    for start in (f"chunk_tokens in {config} ", f"lr in {config} ", "TTT_MU ", "--clip "):
        assert sum(line.startswith(start) for line in lines) == 1


def test_a_missing_required_option_is_asked_for_by_its_flag():
    with pytest.raises(ConfigError, match="--seed is required"):
        parse(Bare, [], prog="bare", description="B.", environ={})


def test_options_that_do_not_go_together_are_refused_in_their_author_s_words():
    class Pair(Options):
        low: int = 0
        high: int = 1

        @model_validator(mode="after")
        def _ordered(self):
            if self.low > self.high:
                raise ValueError("--low is above --high; swap them.")
            return self

    with pytest.raises(ConfigError, match=r"^--low is above --high; swap them\.$"):
        parse(Pair, ["--low", "5"], prog="pair", description="P.", environ={})


# --- help -----------------------------------------------------------------------------------------


def shown(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit) as stop:
        read(*argv)
    assert stop.value.code == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_every_option_with_its_kind_and_default(capsys, flag):
    text = shown(capsys, flag)
    for part in (
        "usage: demo [options]",
        "A demo.",
        "--chunk_tokens INT Tokens of one chunk, 100 % of them. (default: 128)",
        "--enable_gate Judge each chunk first. (default: on)",
        "--disable_gate The opposite of --enable_gate.",
        "--clip {median,none}|FLOAT",
        "machine: --device {auto,cpu,cuda}",
        "global options: --json",
        "--config FILE",
        "--debug",
    ):
        assert part in text
    assert "--enable_rollback" not in text


def test_help_needs_no_torch_and_no_yaml():
    code = (
        "import sys\n"
        "from tests.lib.test_flags import Demo\n"
        "from ttt.lib.flags import parse\n"
        "for name in ('torch', 'yaml', 'rich', 'numba', 'matplotlib', 'pydantic_settings'):\n"
        "    assert name not in sys.modules, name\n"
        "try:\n    parse(Demo, ['--help'], prog='d', description='D.')\n"
        "except SystemExit:\n    sys.exit(sum(n in sys.modules for n in ('torch', 'yaml')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


# --- sub-commands ---------------------------------------------------------------------------------


def command(*argv: str, **environ: str) -> tuple[str, Options]:
    commands = {"demo": Demo, "bare": Bare}
    return parse_command(commands, argv, prog="both", description="Two.", environ=environ)


@pytest.mark.parametrize(
    "argv",
    [
        ["--artifacts_root", "x", "--json", "demo", "--lr", "2"],
        ["demo", "--lr", "2", "--artifacts-root=x", "--json"],
        ["--json", "--artifacts-root=wrong", "demo", "--artifacts_root", "x", "--lr=2"],
    ],
)
def test_global_options_stand_on_either_side_of_the_sub_command(argv):
    name, options = command(*argv)
    assert name == "demo"
    assert options == Demo(artifacts_root=Path("x"), json_output=True, lr=2)


def test_each_sub_command_has_its_own_options():
    assert command("bare", "--seed", "1") == ("bare", Bare(seed=1))
    with pytest.raises(ConfigError, match=r"Unknown option --lr.*see both bare --help"):
        command("bare", "--lr", "1")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "No command was given"),
        (["dem"], "no command 'dem' [(]did you mean 'demo'"),
        (["--seed", "1", "bare"], "no option --seed before its command"),
    ],
)
def test_a_wrong_sub_command_is_refused_with_the_right_ones(argv, said):
    with pytest.raises(ConfigError, match=f"{said}.*choose one of: demo, bare"):
        command(*argv)


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--help"], "bare  Options of a command that saves nothing.\n"),
        (["bare", "-h"], "More about it."),
        (["--json", "demo", "--help"], "--chunk_tokens"),
    ],
)
def test_help_is_there_for_the_whole_and_for_each_part(argv, part, capsys):
    with pytest.raises(SystemExit) as stop:
        command(*argv)
    assert stop.value.code == 0
    assert part in capsys.readouterr().out
