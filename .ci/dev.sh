#!/usr/bin/env bash
# ./start.sh --dev: the service on 13579 and the dashboard's development server on 5173, which
# shows each change of a source file at once and hands /api on to the service.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/environment.sh
. "$root/.ci/environment.sh"

command -v npm >/dev/null || { complain "npm is needed for --dev; install Node 20 or newer."; exit 1; }
prepare_front_end
"$root/.venv/bin/python" -m ttt serve --example --dashboard_port -1 \
  --allow_origin http://127.0.0.1:5173 --allow_origin http://localhost:5173 "$@" &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service"' EXIT
say "Put the part behind the # of the address below behind http://127.0.0.1:5173/"
npm --prefix "$root/dashboard" run dev -- --host 127.0.0.1
