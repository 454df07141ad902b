"""Bugs that only a crash shows: each must be seen by losing power, flipping bytes or asking again.

The harnesses in `tests/crash` that run beside the tests read the true files, so what is named here
are their short forms in the test's own process.
"""

from tests.mutants.catalogue import Mutant

POWER = "tests/crash/test_power_loss.py::"
FLIPS = "tests/crash/test_flipped_bytes.py::"
WORKLOADS = "tests/crash/test_workloads.py::"
ACKNOWLEDGED = POWER + "test_what_was_just_acknowledged_needs_nothing_that_was_not_synced"
BUILT_ON = POWER + "test_nothing_is_built_on_what_a_killed_process_left_and_may_vanish"

CRASH_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="a commit is published before its state is kept",
        path="ttt/store/sessions.py",
        old="        commit, data = publishing.compose(session.root, draft, slot, clock)\n"
        "        if not publishing.publish(session.root, folder, commit, data):\n"
        "            return _second",
        new="        keep, blobs.keep_blob = blobs.keep_blob, lambda _, data: blobs.ref_of(data)\n"
        "        commit, data = publishing.compose(session.root, draft, slot, clock)\n"
        "        blobs.keep_blob = keep\n"
        "        published = publishing.publish(session.root, folder, commit, data)\n"
        "        for given in (draft.state, draft.input):\n"
        "            keep(session.root, given) if isinstance(given, bytes) else None\n"
        "        if not published:\n"
        "            return _second",
        test=POWER + "test_no_commit_names_a_state_that_is_not_there_yet",
    ),
    Mutant(
        name="a file is named before its bytes are synced",
        path="ttt/store/_files.py",
        old="        write_all(descriptor, data)\n        os.fsync(descriptor)\n",
        new="        write_all(descriptor, data)\n",
        test=ACKNOWLEDGED + "[lessons]",
    ),
    Mutant(
        name="a commit is acknowledged before the folder of commits is synced",
        path="ttt/store/publishing.py",
        old="        sync_commits(folder)\n    finally:",
        new="        pass\n    finally:",
        test=ACKNOWLEDGED + "[lessons]",
    ),
    Mutant(
        name="a blob that is there is not synced before a commit names it",
        path="ttt/store/blobs.py",
        old="            os.fsync(descriptor)\n        finally:\n            os.close(descriptor)\n"
        "    except (OSError, StorageError",
        new="            pass\n        finally:\n            os.close(descriptor)\n"
        "    except (OSError, StorageError",
        test=ACKNOWLEDGED + "[a state that is there]",
    ),
    Mutant(
        name="a folder that was found is taken for durable",
        path="ttt/store/_files.py",
        old="        sync_folder(ladder[there].parent)\n",
        new="",
        test=BUILT_ON + "[another run after a kill]",
    ),
    Mutant(
        name="a fork is acknowledged while its parent may vanish",
        path="ttt/store/sessions.py",
        old="    publishing.sync_commits(commits_folder(root, domain, parent.session_id))\n",
        new="",
        test=BUILT_ON + "[a fork after a kill]",
    ),
    Mutant(
        name="a base that was found is acknowledged while its name may vanish",
        path="ttt/store/base.py",
        old="                    _files.sync_folder(root)\n",
        new="                    pass\n",
        test=BUILT_ON + "[base]",
    ),
    Mutant(
        name="the newest commit is the one that counting gives",
        path="ttt/store/chain.py",
        old="    for n in reversed(found):\n",
        new="    for n in reversed(range(len(found))):\n",
        test=WORKLOADS + "test_a_request_is_done_once_however_often_it_is_made[repair]",
    ),
    Mutant(
        name="the list believes its index whatever the commits say",
        path="ttt/store/session_list.py",
        old="        same = os.stat(path).st_mtime_ns == row[0]\n",
        new="        return os.stat(path).st_mtime_ns > 0\n",
        test=WORKLOADS + "test_a_request_is_done_once_however_often_it_is_made[lessons]",
    ),
    Mutant(
        name="an index with a flipped byte is believed",
        path="ttt/store/session_list.py",
        old="if raw[:_REST] != _head(rest) or not rest",
        new="if not rest",
        test=FLIPS + "test_each_kind_of_file_is_watched[index]",
    ),
    Mutant(
        name="a view that is there is believed",
        path="ttt/store/views.py",
        old="        if name in there and not _holds(",
        new="        if name not in there and not _holds(",
        test=FLIPS + "test_each_kind_of_file_is_watched[view]",
    ),
    Mutant(
        name="fsck does not read reviews",
        path="ttt/store/fsck_sessions.py",
        old='        if "reviews" in inside:\n',
        new="        if False:\n",
        test=FLIPS + "test_each_kind_of_file_is_watched[review]",
    ),
    Mutant(
        name="whoever comes second is told that he was first",
        path="ttt/store/sessions.py",
        old="raise ConflictError(session.session_id, built_on=session.head.n, head=newest)",
        new="return replace(session, head=head)",
        test="tests/store/test_sessions.py::"
        "test_whoever_comes_second_is_told_the_newest_commit_and_changes_nothing",
    ),
)
