#!/usr/bin/env bash
# Makes the environment with the development tools (once) and runs every check: static checks,
# tests (those of the dashboard and of a real browser among them), mutants. Ends with "N passed, N failed, N skipped"; the exit status is 0 only if none
# failed. TTT_REQUIRE_E2E=1 turns the skip of a browser test into a failure.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=.ci/environment.sh
. "$root/.ci/environment.sh"

if ! prepare_environment dev; then
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi
prepare_front_end
cd "$root" || exit 1
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

say "Static checks"
make check
checks=$?

say "Tests"
make test PYTEST_ARGS="--junit-xml=$results/tests.xml"
tests=$?

say "Mutants: each planted bug must be caught by the test that is named for it"
.venv/bin/python -m tests.mutants --junit_xml "$results/mutants.xml"
mutants=$?

say "Sum"
.venv/bin/python -m tests.tally \
  --suite "static checks" $checks - \
  --suite tests $tests "$results/tests.xml" \
  --suite mutants $mutants "$results/mutants.xml"
