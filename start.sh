#!/usr/bin/env bash
# Makes the environment (once) and serves the API and the dashboard, with a small real example where
# there is nothing yet. Arguments go on to the service: ./start.sh --artifacts_root runs --port 8000
# ./start.sh --dev also runs the development server of the dashboard (needs Node 20).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=.ci/environment.sh
. "$root/.ci/environment.sh"

prepare_environment
if [ "${1:-}" = --dev ]; then
  shift
  exec "$root/.ci/dev.sh" "$@"
fi
say "Starting the service (Ctrl-C stops it; --help lists the options)"
exec "$root/.venv/bin/python" -m ttt serve --example "$@"
