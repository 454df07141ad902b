"""The part of the catalogue that is about the service."""

from tests.mutants.catalogue import Mutant

GUARD = "tests/api/test_gatekeeper.py::"
LIVE = "tests/api/test_live.py::"
JOBS = "tests/jobs/test_jobs.py::"

API_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="the first of two Host headers is believed",
        path="ttt/api/gatekeeper.py",
        old="        if len(hosts) != 1 or _host_name(hosts[0]) not in self._settings.hosts:",
        new="        if not hosts or _host_name(hosts[0]) not in self._settings.hosts:",
        test=GUARD + "test_nobody_else_is_let_through_anywhere",
    ),
    Mutant(
        name="an origin is compared by how it begins",
        path="ttt/api/gatekeeper.py",
        old='parts.scheme in ("http", "https") and parts.netloc == host',
        new='parts.scheme in ("http", "https") and parts.netloc.startswith(host)',
        test=GUARD + "test_nobody_else_is_let_through_anywhere",
    ),
    Mutant(
        name="figures need no token",
        path="ttt/api/gatekeeper.py",
        old='    return any(path == one or path.startswith(f"{one}/") for one in GUARDED)',
        new='    return any(path.startswith(f"{one}/") for one in GUARDED)',
        test=GUARD + "test_nobody_else_is_let_through_anywhere",
    ),
    Mutant(
        name="a body in pieces has no end",
        path="ttt/api/gatekeeper.py",
        old="            if self._left < 0:",
        new="            if self._left < -(1 << 40):",
        test=GUARD + "test_a_body_in_pieces_is_bounded_too",
    ),
    Mutant(
        name="a listener that comes back hears the last event again",
        path="ttt/api/live.py",
        old="            return min(int(number[:12]) + 1, self._next)",
        new="            return min(int(number[:12]), self._next)",
        test=LIVE + "test_one_that_comes_back_hears_what_it_missed",
    ),
    Mutant(
        name="a session learns from a request that did not ask for it",
        path="ttt/text_lm/chat/conversation.py",
        old="            learning = here.learning and may_learn",
        new="            learning = here.learning",
        test="tests/api/test_openai.py::test_a_session_learns_only_when_it_is_asked_to",
    ),
    Mutant(
        name="a curve keeps the first value of a bucket instead of its highest",
        path="ttt/api/run_pages.py",
        old="int(low + np.nanargmin(part)), int(low + np.nanargmax(part))",
        new="int(low + np.nanargmin(part)), int(low)",
        test="tests/api/test_run_pages.py::test_a_long_run_is_a_short_curve_that_has_its_spike",
    ),
    Mutant(
        name="any number of jobs may wait",
        path="ttt/jobs/supervisor.py",
        old="        if len(self._waiting) >= self._waiting_max:",
        new="        if len(self._waiting) < 0:",
        test=JOBS + "test_one_that_waits_is_cancelled_at_once_and_the_queue_is_bounded",
    ),
    Mutant(
        name="a job whose process is gone is still said to run",
        path="ttt/store/jobs.py",
        old='    if status.status != "running" or holding.is_held(folder):',
        new='    if status.status != "running" or True:',
        test=JOBS + "test_a_status_without_a_process_is_interrupted",
    ),
)
