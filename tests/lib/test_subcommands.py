"""Where a sub-command's name stands, and what is said when it does not."""

import pytest

from ttt.errors import ConfigError
from ttt.lib.subcommands import command_help, refuse_command, split_command, underscored


@pytest.mark.parametrize(
    ("argv", "name", "rest"),
    [
        (["fork", "--x", "1"], "fork", ["--x", "1"]),
        (["--json", "fork", "--x"], "fork", ["--json", "--x"]),
        (["--artifacts_root", "a", "fork"], "fork", ["--artifacts_root", "a"]),
        (["--artifacts-root=a", "--debug", "fork"], "fork", ["--artifacts-root=a", "--debug"]),
        (["--config", "fork", "fork"], "fork", ["--config", "fork"]),
        (["--json"], None, ["--json"]),
        ([], None, []),
        (["--help"], "--help", []),
        (["--json", "--version"], "--version", ["--json"]),
        (["--seed", "1", "fork"], "--seed", ["1", "fork"]),
    ],
)
def test_global_options_may_stand_before_the_name(argv, name, rest):
    before = list(argv)
    assert split_command(argv) == (name, rest)
    assert argv == before


def test_an_option_on_both_sides_counts_as_given_last():
    _, rest = split_command(["--artifacts_root", "a", "fork", "--artifacts_root", "b"])
    assert rest == ["--artifacts_root", "a", "--artifacts_root", "b"]


def test_a_global_option_without_its_value_is_refused():
    with pytest.raises(ConfigError, match="--artifacts_root needs a value"):
        split_command(["--artifacts_root"])


@pytest.mark.parametrize(
    ("token", "spelled"),
    [
        ("--chunk-tokens", "--chunk_tokens"),
        ("--chunk-tokens=a-b", "--chunk_tokens=a-b"),
        ("--chunk_tokens", "--chunk_tokens"),
        ("-h", "-h"),
        ("a-b", "a-b"),
        ("-1-2", "-1-2"),
        ("--", "--"),
    ],
)
def test_only_the_name_of_an_option_is_respelled(token, spelled):
    assert underscored(token) == spelled


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "No command was given; choose one of: fork, run."),
        ("forkk", "nano has no command 'forkk' (did you mean 'fork'?); choose one of: fork, run."),
        ("--seed", "nano has no option --seed before its command; choose one of: fork, run."),
    ],
)
def test_a_missing_command_is_told_from_a_wrong_one(name, said):
    assert str(refuse_command(name, ["fork", "run"], "nano")) == said


def test_the_list_of_commands_is_aligned_and_names_the_global_options():
    text = command_help({"fork": "Branch.", "x": "Y."}, prog="nano", description="Sessions.")
    assert "  fork  Branch.\n  x     Y.\n" in text
    for word in ("usage: nano", "Sessions.", "--json", "--debug", "--config", "--artifacts_root"):
        assert word in text
