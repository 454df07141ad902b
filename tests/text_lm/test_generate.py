"""`ttt generate`, end to end: what is written, how it ends, and every mistake in one sentence."""

import io
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.text_lm.test_models import save
from ttt.core.starter import load_starter
from ttt.text_lm.generate import GenerateOptions, harmless, main
from ttt.text_lm.generation import GenerationConfig, generate

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "It was the best of times"


@pytest.fixture
def run(tmp_path, capsys):
    """Calls the command: exit code, stdout, stderr."""

    def call(*argv):
        code = main([*argv, f"--artifacts_root={tmp_path}"])
        return code, *capsys.readouterr()

    return call


def written(**given) -> str:
    base = load_starter("gru")
    return "".join(
        t.text for t in generate(base, base.encoder.encode(PROMPT), GenerationConfig(**given))
    )


def test_the_text_stands_on_stdout_and_nothing_else_does(run):
    code, out, err = run("--prompt", PROMPT, "--max_new_tokens", "12")
    assert (code, out) == (0, written(max_new_tokens=12))
    assert err == "12 tokens; ended by length\n"


def test_as_json_each_token_is_a_line(run):
    code, out, err = run("--prompt", PROMPT, "--max_new_tokens", "12", "--json", "--seed", "3")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert "".join(line["text"] for line in lines) == written(max_new_tokens=12, seed=3)
    assert [line["finish"] for line in lines] == [""] * 11 + ["length"]
    assert all(isinstance(line["token_id"], int) and line["log_prob"] < 0 for line in lines)


def test_a_prompt_may_come_from_a_file_or_be_piped_in(run, tmp_path, monkeypatch):
    expected = written(max_new_tokens=5)
    (tmp_path / "prompt.txt").write_text(PROMPT)
    assert run("--prompt_file", str(tmp_path / "prompt.txt"), "--max_new_tokens=5")[1] == expected
    stdin = SimpleNamespace(buffer=io.BytesIO(PROMPT.encode()), isatty=lambda: False)
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("--max_new_tokens=5")[1] == expected


def test_any_model_writes_by_its_name(run, tmp_path):
    save(tmp_path, "mine")
    flags = ("--prompt", "a", "--max_new_tokens", "4", "--top_k", "none")
    texts = [
        run(*flags, *name)[1]
        for name in (
            (), ("--base", "starter"), ("--model_id", "starter-gru"), ("--base", "starter-ssm"),
            ("--base", "mine"), ("--model_id", "mine"),
        )
    ]  # fmt: skip
    assert texts[0] == texts[1] == texts[2] != texts[3]
    assert texts[4] == texts[5] not in texts[:4]


def test_a_text_ends_before_a_stop_and_at_a_stop_id(run):
    text = written(max_new_tokens=30)
    middle = text[20:24]
    _, out, err = run("--prompt", PROMPT, "--max_new_tokens", "30", "--stop", "nowhere", middle)
    assert out == text[: text.index(middle)]
    assert err.endswith("ended by stop\n")
    _, out, _ = run("--prompt", PROMPT, "--max_new_tokens", "4", "--json")
    third = json.loads(out.splitlines()[2])["token_id"]
    _, out, err = run("--prompt", PROMPT, "--stop_ids", str(third))
    assert text.startswith(out)
    assert err.endswith("ended by stop_id\n")


def test_a_very_long_prompt_is_read(run):
    code, out, _ = run("--prompt", "The cat sat on the mat. " * 900, "--max_new_tokens", "3")
    assert (code, bool(out)) == (0, True)


def test_temperature_zero_is_the_same_for_every_seed(run):
    flags = ("--prompt", PROMPT, "--temperature", "0", "--max_new_tokens", "8")
    assert run(*flags, "--seed", "1")[1] == run(*flags, "--seed", "2")[1]


def test_nothing_a_model_writes_can_drive_a_terminal(monkeypatch, capsys):
    assert harmless("a\n\t\x1b[2J\u202eé\x07") == "a\n\t\\x1b[2J\\u202eé\\x07"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(["--prompt", PROMPT, "--max_new_tokens", "5"]) == 0
    assert capsys.readouterr().out == written(max_new_tokens=5) + "\n"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["--prompt", ""], 2, "--prompt is empty"),
        (["--prompt", "a", "--prompt_file", "b"], 2, "two prompts"),
        (["--prompt_file", "none.txt"], 1, "Cannot read the text"),
        (["--prompt_file", "."], 1, "Cannot read the text"),
        (["--prompt", "a\udcff"], 2, "--prompt must be UTF-8 text"),
        (["--prompt", "a", "--stop", "b\udcff"], 2, "--stop must be UTF-8 text"),
        (["--prompt", "a", "--base", "none"], 1, "No text model named 'none'"),
        (["--prompt", "a", "--base", "../x"], 2, "cannot be used"),
        (["--prompt", "a", "--base", "random"], 2, "hash does not turn back"),
        (["--prompt", "a", "--base", ""], 2, "--base"),
        (["--prompt", "a", "--base", "x", "--model_id", "y"], 2, "name the same thing"),
        (["--prompt", "a", "--temperature", "nan"], 2, "--temperature must be a finite number"),
        (["--prompt", "a", "--temperature", "inf"], 2, "--temperature must be a finite number"),
        (["--prompt", "a", "--temperature", "-1"], 2, "--temperature must be at least 0"),
        (["--prompt", "a", "--top_k", "0"], 2, "--top_k must be at least 1"),
        (["--prompt", "a", "--top_k", "4097"], 2, "at most the 4096 ids"),
        (["--prompt", "a", "--top_p", "0"], 2, "--top_p must be greater than 0"),
        (["--prompt", "a", "--top_p", "1.1"], 2, "--top_p must be at most 1"),
        (["--prompt", "a", "--top_p", "nan"], 2, "--top_p must be a finite number"),
        (["--prompt", "a", "--max_new_tokens", "0"], 2, "--max_new_tokens must be at least 1"),
        (["--prompt", "a", "--stop", ""], 2, "stop text must not be empty"),
        (["--prompt", "a", "--stop_ids", "4096"], 2, "stop id must lie in 0..4095"),
        (["--prompt", "a", "--stop_ids", "-1"], 2, "stop id must lie in 0..4095"),
        (["--prompts", "a"], 2, "Unknown option --prompts"),
        (["a"], 2, "Unexpected argument 'a'"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence_and_nothing_is_written(run, argv, code, words):
    got, out, err = run(*argv)
    assert (got, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\xff", "Cannot read the text"),
        (b"x" * (1 << 20) + b"\xc3\xa9", "larger than 1048576 bytes"),
        (b"x" * (1 << 20) + b"y", "larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_prompt_is_told(run, tmp_path, data, words):
    (tmp_path / "prompt.txt").write_bytes(data)
    code, out, err = run("--prompt_file", str(tmp_path / "prompt.txt"))
    assert (code, out) == (1, "")
    assert words in err


def test_an_empty_stdin_and_a_terminal_are_no_prompt(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b""), isatty=lambda: False))
    assert "The standard input is empty" in run()[2]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    code, _, err = run()
    assert (code, "give --prompt TEXT or --prompt_file FILE" in err) == (2, True)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "meta.json"])
def test_a_damaged_model_writes_nothing(run, tmp_path, name):
    save(tmp_path)
    path = tmp_path / "text_models" / "one" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, out, err = run("--prompt", "a", "--base", "one")
    assert (code, out) == (1, "")
    assert name in err


def test_weights_that_overflow_end_in_a_sentence(run, monkeypatch):
    from ttt.core.stepping import CompiledStepper, NaiveStepper

    def broken(self, adapter_DD=None):
        return lambda features_D: features_D.new_full((4096,), math.nan)

    for kind in (CompiledStepper, NaiveStepper):
        monkeypatch.setattr(kind, "head", broken)
    code, _, err = run("--prompt", "a")
    assert (code, "not finite" in err) == (1, True)


def test_an_interrupt_leaves_what_was_written():
    process = subprocess.Popen(
        [sys.executable, "-m", "ttt.text_lm.generate", "--prompt", "a",
         "--max_new_tokens", "1000000", "--ignore_eos"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.read(40)
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(first + rest) >= 40
    assert err == b"error: Interrupted.\n"


def test_the_options_name_no_default_outside_its_own_range():
    GenerateOptions.model_validate(GenerateOptions().model_dump())
