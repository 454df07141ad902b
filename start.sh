#!/usr/bin/env bash
# Makes the environment (once) and runs the monitored update loop on its built-in demo.
# Arguments go on to run_monitor.py: ./start.sh --safety_mode gate_rollback --plot drift.png
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=.ci/environment.sh
. "$root/.ci/environment.sh"

prepare_environment
say "Running the monitor on its built-in demo (Ctrl-C stops it; --help lists the options)"
exec "$root/.venv/bin/python" "$root/run_monitor.py" --demo "$@"
