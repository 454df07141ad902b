"""A commit's file, as the page describes it."""

import json
from dataclasses import replace

import pytest

from tests.docs.markdown import ROOT, read_page
from tests.store.trees import commit_file, grown
from ttt.errors import ConfigError, CorruptArtifactError
from ttt.store import commits, signed
from ttt.store.domains import DOMAINS, NANO, TEXT, session_folder, sessions_folder

PAGE = (ROOT / "docs/artifact-format.md").read_text()
EXAMPLE = json.loads(PAGE.split("```json\n")[1].split("```")[0])
SPANS = read_page(ROOT / "docs/artifact-format.md").spans


def test_the_example_of_the_page_is_a_commit():
    plain = {key: value for key, value in EXAMPLE.items() if key != signed.SUM}
    assert signed.digest_of(plain) == EXAMPLE[signed.SUM]
    commit = commits.decode(signed.seal(plain))
    assert (commit.session_id, commit.n, commit.kind) == ("alice", 1, "update")
    assert len(EXAMPLE) == commits.FIELDS


def test_every_field_of_a_commit_is_explained_on_the_page():
    assert set(EXAMPLE) - set(SPANS) == set()


def test_a_sealed_commit_is_read_as_it_was(tmp_path):
    session = grown(tmp_path, 1)
    commit, data = commits.seal(session.head)
    assert commit == session.head
    assert data == commit_file(session, 1).read_bytes()
    assert commits.decode(data) == commit


def test_a_commit_of_the_largest_size_is_sealed_and_a_larger_one_is_not(tmp_path):
    head = grown(tmp_path, 1).head
    size = len(commits.seal(replace(head, event={"type": "x", "text": ""}))[1])
    fits = "x" * (commits.COMMIT_BYTES_MAX - size)
    assert commits.seal(replace(head, event={"type": "x", "text": fits}))
    with pytest.raises(ConfigError, match="too long"):
        commits.seal(replace(head, event={"type": "x", "text": fits + "x"}))


def test_numbers_are_those_of_commits_and_all_else_is_strange(tmp_path):
    session = grown(tmp_path, 2)
    folder = commit_file(session, 0).parent
    for name in ("1.json", "00000001.json.bak", "0000000a.json", "000000011.json"):
        (folder / name).write_bytes(b"")
    assert commits.numbers(folder) == [0, 1, 2]
    assert len(commits.entries(folder)[1]) == 4
    assert commits.newest(folder, 0) == commits.newest(folder, 2) == 2
    with pytest.raises(FileNotFoundError):
        commits.numbers(tmp_path / "none")


def test_a_commit_is_read_only_where_it_belongs(tmp_path):
    session = grown(tmp_path, 1)
    with pytest.raises(FileNotFoundError):
        commits.read(tmp_path, NANO, "alice", 2)
    commit_file(session, 1).rename(commit_file(session, 5))
    with pytest.raises(CorruptArtifactError, match="saved as commit 1 of nano session 'alice'"):
        commits.read(tmp_path, NANO, "alice", 5)


def test_domains_keep_to_folders_and_names_of_their_own(tmp_path):
    assert dict(DOMAINS) == {"nano": NANO, "text": TEXT}
    assert session_folder(tmp_path, NANO, "a") == tmp_path / "sessions" / "a"
    assert sessions_folder(tmp_path, TEXT) == tmp_path / "text_sessions"
    with pytest.raises(ConfigError, match="session id"):
        session_folder(tmp_path, NANO, "../a")
