"""The canary texts themselves, their split into parts, and drawing from them."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from ttt.core import canary_pools
from ttt.core._passages import OTHER_LANGUAGES, STRATA, committed_passages, part_of
from ttt.core.audit_canaries import audit_passages
from ttt.core.canary_pools import (
    DEFAULT_COMPOSITION,
    FORBID_COMPOSITION,
    Passage,
    draw,
    load_pool,
    pool_digest,
)
from ttt.errors import ConfigError

KINDS = ("keep", "forbid", "control")
SHINGLE_WORDS = 8
CHARS = {"code": (130, 270), "chinese": (40, 70)}
CHARS_OTHERWISE = (150, 260)
HAN = r"[\u4e00-\u9fff]"


def everything() -> tuple[Passage, ...]:
    return tuple(p for kind in KINDS for p in committed_passages(kind))


def demo_rows() -> list[dict[str, object]]:
    content = resources.files("ttt.data").joinpath("demo", "passages.jsonl").read_text("utf-8")
    return [json.loads(line) for line in content.splitlines()]


def shingles(text: str) -> set[tuple[str, ...]]:
    """Every run of 8 words; a Han character counts as a word."""
    words = re.findall(rf"{HAN}|(?:(?!{HAN})\w)+", text.lower())
    return {tuple(words[i : i + SHINGLE_WORDS]) for i in range(len(words) - SHINGLE_WORDS + 1)}


# --- the texts ---------------------------------------------------------------------------------


def test_the_three_parts_are_disjoint_and_cover_every_passage() -> None:
    for kind in KINDS:
        deciding, auditing = set(load_pool(kind)), set(audit_passages(kind))
        assert not deciding & auditing
        assert deciding | auditing == set(committed_passages(kind))
        assert {part_of(p.text) for p in deciding} == {"project", "probe"}
        assert {part_of(p.text) for p in auditing} == {"audit"}


def test_the_part_follows_from_the_digest_of_the_text_alone() -> None:
    for passage in everything():
        tenth = int(hashlib.sha256(passage.text.encode()).hexdigest()[:8], 16) % 10
        expected = "project" if tenth <= 3 else "probe" if tenth <= 7 else "audit"
        assert part_of(passage.text) == expected


def test_the_pools_are_as_large_as_the_draws_need() -> None:
    counts = Counter(p.stratum for p in everything())
    assert counts["prose"] >= 56
    assert all(counts[s] >= 28 for s in STRATA["keep"])
    assert sum(counts[s] for s in STRATA["keep"]) >= 224
    assert counts["forbid"] >= 64
    assert counts["forbid"] == counts["control"]


@pytest.mark.parametrize("part", ["project", "probe", "audit"])
def test_every_stratum_has_a_choice_in_every_part(part: str) -> None:
    counts = Counter(p.stratum for p in everything() if part_of(p.text) == part)
    minima = {"prose": 8, "forbid": 8, "control": 8}
    for stratum in (s for kind in KINDS for s in STRATA[kind]):
        assert counts[stratum] >= minima.get(stratum, 4), stratum


def test_each_file_holds_its_own_stratum_under_numbered_ids() -> None:
    for kind in KINDS:
        for stratum in STRATA[kind]:
            passages = [p for p in committed_passages(kind) if p.stratum == stratum]
            ids = [p.id for p in passages]
            assert ids == [f"{stratum}-{i:03d}" for i in range(1, len(ids) + 1)]


def test_every_length_is_within_its_range() -> None:
    for passage in everything():
        low, high = CHARS.get(passage.stratum, CHARS_OTHERWISE)
        assert low <= len(passage.text) <= high, passage.id
        assert passage.text == passage.text.strip()


def test_no_two_texts_share_eight_words_in_a_row_nor_does_the_demo_quote_a_canary() -> None:
    texts = {p.id: p.text for p in everything()}
    texts |= {str(row["id"]): str(row.get("text", row.get("unit"))) for row in demo_rows()}
    owner: dict[tuple[str, ...], str] = {}
    shared = []
    for name, text in texts.items():
        for shingle in shingles(text):
            other = owner.setdefault(shingle, name)
            if other != name:
                shared.append((other, name, " ".join(shingle)))
    assert shared == []


def test_shingles_see_a_near_copy_in_english_and_in_chinese() -> None:
    english = "the boats lay tilted on the mud like sleepers who had rolled over"
    assert shingles(english) & shingles(english.replace("rolled", "turned"))
    chinese = "清晨退潮以后，孩子们提着小桶去滩上捡蛤蜊"
    assert shingles(chinese) & shingles(chinese.replace("蛤蜊", "贝壳"))


def test_chinese_passages_are_chinese_and_no_other_passage_is() -> None:
    for passage in everything():
        share = len(re.findall(HAN, passage.text)) / len(passage.text)
        assert share > 0.7 if passage.stratum == "chinese" else share == 0, passage.id


def test_other_strata_hold_no_invisible_or_look_alike_characters() -> None:
    allowed = set("áéíóúñüÁÉÍÓÚÑ¿¡äöüßÄÖÜàâçèêëîïôùûœÀÂÇÈÊËÎÏÔÙÛŒ«»–—„“”’\n\t")
    for passage in everything():
        if passage.stratum != "chinese":
            odd = {
                c
                for c in passage.text
                if not (c.isascii() and c.isprintable()) and c not in allowed
            }
            assert not odd, (passage.id, odd)


@pytest.mark.parametrize("part", ["project", "probe", "audit"])
def test_forbid_and_control_have_the_same_length_in_every_part(part: str) -> None:
    lengths = {
        kind: [len(p.text) for p in committed_passages(kind) if part_of(p.text) == part]
        for kind in ("forbid", "control")
    }
    means = {kind: sum(values) / len(values) for kind, values in lengths.items()}
    assert abs(means["forbid"] - means["control"]) <= 0.05 * means["control"]


def test_a_forbid_passage_and_its_control_twin_differ_little_in_length() -> None:
    twins = zip(committed_passages("forbid"), committed_passages("control"), strict=True)
    for forbid, control in twins:
        assert abs(len(forbid.text) - len(control.text)) <= 20, forbid.id


# --- drawing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["project", "probe"])
def test_a_draw_has_the_composition_asked_for_and_stays_in_its_part(part: str) -> None:
    for seed in range(20):
        drawn = draw(part, seed=seed)
        counts = Counter("other" if p.stratum in OTHER_LANGUAGES else p.stratum for p in drawn)
        assert counts == {"prose": 4, "code": 1, "dialogue": 1, "lists": 1, "other": 1}
        assert {part_of(p.text) for p in drawn} == {part}
        assert len(set(drawn)) == sum(DEFAULT_COMPOSITION.values())


def test_the_forbid_composition_draws_harmful_texts_and_their_controls() -> None:
    counts = Counter(p.stratum for p in draw("probe", seed=3, composition=FORBID_COMPOSITION))
    assert counts == FORBID_COMPOSITION


def test_the_same_seed_draws_the_same_passages_in_the_same_order() -> None:
    ids = [p.id for p in draw("project", seed=0)]
    assert ids == [p.id for p in draw("project", seed=0)]
    assert ids == [
        p.id
        for p in draw("project", seed=0, composition=dict(reversed(DEFAULT_COMPOSITION.items())))
    ]


def test_seeds_rotate_through_the_whole_part() -> None:
    pool = load_pool("keep")
    seen = {p.id for seed in range(200) for p in draw("probe", seed=seed, passages=pool)}
    assert seen == {p.id for p in pool if part_of(p.text) == "probe"}


def test_another_count_in_one_stratum_leaves_the_others_as_they_were() -> None:
    more_code = {**DEFAULT_COMPOSITION, "code": 3}
    assert set(draw("probe", seed=5)) < set(draw("probe", seed=5, composition=more_code))


def test_overlapping_strata_never_give_one_passage_twice() -> None:
    composition = dict.fromkeys(("other_language", *OTHER_LANGUAGES), 3)
    drawn = draw("probe", seed=1, composition=composition)
    assert len({p.id for p in drawn}) == 15


def test_a_stratum_may_be_emptied_to_the_last_passage_and_not_beyond() -> None:
    available = sum(p.stratum == "code" and part_of(p.text) == "probe" for p in everything())
    assert len(draw("probe", seed=0, composition={"code": available})) == available
    with pytest.raises(ConfigError, match=f"'code' has {available} passages left"):
        draw("probe", seed=0, composition={"code": available + 1})


@pytest.mark.parametrize("composition", [{}, {"prose": 0}, {"prose": 4, "code": -1}])
def test_a_composition_that_guards_nothing_is_refused(composition: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least one passage"):
        draw("probe", seed=0, composition=composition)


def test_an_unknown_stratum_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'verse'.*code, control, dialogue"):
        draw("probe", seed=0, composition={"verse": 1})


@pytest.mark.parametrize("part", ["audit", "test"])
def test_nothing_but_project_and_probe_can_be_drawn(part: str) -> None:
    with pytest.raises(ConfigError, match="choose project or probe"):
        draw(part, seed=0)


def test_the_deciding_door_offers_no_way_to_the_audit_part() -> None:
    public = {name: getattr(canary_pools, name) for name in canary_pools.__all__}
    assert not [name for name in public if "audit" in name.lower()]
    assert not {p.id for kind in KINDS for p in audit_passages(kind)} & {
        p.id for kind in KINDS for p in load_pool(kind)
    }


def test_the_digest_covers_names_and_bytes_of_all_ten_files() -> None:
    folder = resources.files("ttt.data").joinpath("canaries")
    digest = hashlib.sha256()
    names = sorted(entry.name for entry in folder.iterdir())
    assert names == sorted(f"{s}.jsonl" for kind in KINDS for s in STRATA[kind])
    for name in names:
        content = folder.joinpath(name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    assert pool_digest() == digest.hexdigest()


def test_reading_the_pools_needs_no_torch() -> None:
    code = (
        "import sys, ttt.core.canary_pools as c, ttt.core.audit_canaries as a;"
        "c.draw('probe', seed=0); a.audit_passages('keep'); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
