"""The store's part of the catalogue: bugs that would lose, mix or invent a state."""

from tests.mutants.catalogue import Mutant

BLOBS = "tests/store/test_blobs.py::"
PUBLISHING = "tests/store/test_publishing.py::"
SESSIONS = "tests/store/test_sessions.py::"
VIEWS = "tests/store/test_views.py::"
LIST = "tests/store/test_session_list.py::"
GC = "tests/store/test_gc.py::"
FSCK = "tests/store/test_fsck.py::"
REPAIR = "tests/store/test_repair.py::"

STORE_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a session in memory is taken for another of the same length",
        path="ttt/store/commits.py",
        old="hashlib.sha256(data).hexdigest() == commit.digest and newest(",
        new="newest(",
        test="tests/store/test_sessions.py::"
        "test_it_stands_where_it_was_opened_until_anything_there_changes",
    ),
    Mutant(
        name="a commit is renamed into place, so the second writer replaces the first",
        path="ttt/store/publishing.py",
        old="os.link(unfinished, final, follow_symlinks=False)",
        new="os.rename(unfinished, final)",
        test=SESSIONS + "test_whoever_comes_second_is_told_the_newest_commit_and_changes_nothing",
    ),
    Mutant(
        name="a commit is acknowledged before its name is durable",
        path="ttt/store/publishing.py",
        old="        sync_commits(folder)\n    finally:",
        new="        pass\n    finally:",
        test=PUBLISHING
        + "test_a_commit_is_named_after_its_state_is_durable_and_told_after_it_is_itself",
    ),
    Mutant(
        name="a blob's name is not durable when a commit names it",
        path="ttt/store/blobs.py",
        old="        _files.sync_folder(folder)\n    return ref",
        new="    return ref",
        test=PUBLISHING
        + "test_a_commit_is_named_after_its_state_is_durable_and_told_after_it_is_itself",
    ),
    Mutant(
        name="bytes that are there already are believed",
        path="ttt/store/blobs.py",
        old="if not _is_kept(path, data):",
        new="if not path.exists():",
        test=BLOBS + "test_bytes_that_rotted_are_written_again_when_they_are_put",
    ),
    Mutant(
        name="a sync that failed is ignored",
        path="ttt/store/blobs.py",
        old="        try:\n            os.fsync(descriptor)\n        finally:",
        new="        try:\n            with contextlib.suppress(OSError):\n"
        "                os.fsync(descriptor)\n        finally:",
        test=BLOBS + "test_a_sync_that_failed_is_answered_by_writing_anew_never_by_syncing_again",
    ),
    Mutant(
        name="a head that was merely read is taken for durable",
        path="ttt/store/sessions.py",
        old="        if not session.head_synced:\n",
        new="        if False:\n",
        test=PUBLISHING + "test_a_commit_that_was_only_read_is_made_durable_before_another_follows",
    ),
    Mutant(
        name="a request that is asked again is answered before its commit is durable",
        path="ttt/store/sessions.py",
        old="    publishing.sync_commits(folder)\n    return replace(session, head=found",
        new="    return replace(session, head=found",
        test=PUBLISHING + "test_a_request_that_is_answered_again_is_durable_before_it_is",
    ),
    Mutant(
        name="a retry is not recognised and learned twice",
        path="ttt/store/sessions.py",
        old="    if (answer := _answer(session, draft.request_id)) is not None:",
        new="    if (answer := _answer(session, '')) is not None:",
        test=SESSIONS + "test_the_same_request_asked_again_is_answered_with_its_commit",
    ),
    Mutant(
        name="a damaged newest commit falls back to the one below in silence",
        path="ttt/store/chain.py",
        old="            damage = damage or str(error)\n        except FileNotFoundError:",
        new="            pass\n        except FileNotFoundError:",
        test=SESSIONS
        + "test_a_damaged_session_shows_the_newest_commit_that_can_be_read_and_says_so",
    ),
    Mutant(
        name="the newest state is not verified when a session is opened",
        path="ttt/store/sessions.py",
        old="            blobs.read_blob(root, found.head.blob)\n        except",
        new="            blobs.has_blob(root, found.head.blob)\n        except",
        test=SESSIONS
        + "test_every_flipped_bit_of_the_newest_commit_and_state_makes_the_session_read_only",
    ),
    Mutant(
        name="a slower writer leaves an old view behind",
        path="ttt/store/views.py",
        old="            if newest == views.head.n:\n",
        new="            if newest >= views.head.n:\n",
        test=VIEWS + "test_a_view_left_behind_by_a_slower_writer_is_brought_up_to_date_by_it",
    ),
    Mutant(
        name="an index row made in the same tick of the clock is kept",
        path="ttt/store/session_list.py",
        old="if row[0] < tick and",
        new="if tick and",
        test=LIST + "test_a_folder_that_may_still_change_in_this_tick_is_looked_at_again",
    ),
    Mutant(
        name="a state that nothing computes again is pruned",
        path="ttt/store/gc.py",
        old="n not in stay and commit.input is not None",
        new="n not in stay",
        test=GC + "test_a_state_that_follows_from_no_input_is_never_pruned",
    ),
    Mutant(
        name="blobs are collected while a commit cannot be read",
        path="ttt/store/gc.py",
        old="if one.damage or one.missing or",
        new="if one.missing or",
        test=GC + "test_nothing_is_removed_while_a_commit_cannot_be_read",
    ),
    Mutant(
        name="the fork point of another session is pruned",
        path="ttt/store/gc.py",
        old="_staying(root, domain, one, keep) | forked",
        new="_staying(root, domain, one, keep)",
        test=GC + "test_a_fork_point_stays_even_when_the_fork_went_on_from_another_state",
    ),
    Mutant(
        name="fsck believes the links between commits",
        path="ttt/store/fsck_sessions.py",
        old="[*seen.damage.values(), *broken_links(seen.commits)]",
        new="[*seen.damage.values()]",
        test=REPAIR + "test_a_commit_that_was_exchanged_is_told_from_the_right_ones",
    ),
    Mutant(
        name="a missing input is no damage",
        path="ttt/store/fsck_sessions.py",
        old="if commit.input is not None and n not in lost:",
        new="if False:",
        test=FSCK + "test_a_missing_state_is_damage_only_where_nothing_can_compute_it_again",
    ),
    Mutant(
        name="a repair moves the newest commit away before it says that it was lost",
        path="ttt/store/repair.py",
        old="        if not _is_done(seen, harm, to):\n",
        new="        for path in _bad_files(root, domain, seen, harm):\n"
        "            _move_away(root, path)\n"
        "        if not _is_done(seen, harm, to):\n",
        test=REPAIR + "test_a_repair_that_breaks_off_can_be_repeated_and_loses_nothing",
    ),
)
