# Sourced by start.sh and test.sh: makes .venv once, and again only when what it rests on changed.
# Needs `root`, the absolute path of the project. Everything it says goes to stderr, so that the
# output of the program that follows stays clean.

say() { printf '==> %s\n' "$*" >&2; }
complain() { printf 'error: %s\n' "$*" >&2; }

# The name of a Python that is new enough and can make an environment; or a message and status 1.
# TTT_PYTHON names one; otherwise the first that fits is taken.
find_python() {
  local candidate version seen=""
  local candidates=(python3 python3.13 python3.12 python3.11 python)
  if [ -n "${TTT_PYTHON:-}" ]; then candidates=("$TTT_PYTHON"); fi
  for candidate in "${candidates[@]}"; do
    version=$("$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      seen="$seen $candidate is $version;"
    elif ! "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
      seen="$seen $candidate ($version) lacks the venv module (Debian, Ubuntu: apt-get install python3-venv);"
    else
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  complain "Python 3.11 or newer is needed; found:${seen:- no Python at all;}" \
    "install one, or name it: TTT_PYTHON=/path/to/python3.11 $0"
  return 1
}

# A digest of all that the environment was made from: files, place, interpreter.
environment_digest() {
  "$1" - "$root" <<'PY'
import hashlib, pathlib, sys

root = pathlib.Path(sys.argv[1])
digest = hashlib.sha256(f"{root}\n{sys.version}\n".encode())
for name in ("pyproject.toml", "constraints.txt"):
    digest.update((root / name).read_bytes())
print(digest.hexdigest())
PY
}

# prepare_environment [dev]: afterwards $root/.venv/bin/python runs the project, or status 1.
prepare_environment() {
  local extra=${1:-plain} python="$root/.venv/bin/python" stamp="$root/.venv/.stamp" base digest
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    digest=$(environment_digest "$python") || return 1
    case "$(cat "$stamp" 2>/dev/null)" in
      "$digest dev" | "$digest $extra") return 0 ;;
    esac
  else
    base=$(find_python) || return 1
    say "Making .venv with $base"
    "$base" -m venv --clear "$root/.venv" || { complain "could not make $root/.venv"; return 1; }
    digest=$(environment_digest "$python") || return 1
  fi
  say "Installing the pinned dependencies into .venv (a first time takes minutes)"
  local target="$root"
  if [ "$extra" = dev ]; then target="$root[dev]"; fi
  # Python compiles what it imports when it does; all of it at once takes half of an installation.
  if ! "$python" -m pip install --disable-pip-version-check --no-compile \
    -e "$target" -c "$root/constraints.txt" >&2
  then
    complain "the installation failed; the lines above say why. Mend that and run this again."
    return 1
  fi
  printf '%s %s\n' "$digest" "$extra" >"$stamp"
}

# prepare_front_end: what the checks of the dashboard need, where this machine can have it. What is
# missing afterwards is named by the tests that are skipped for it.
prepare_front_end() {
  local lock="$root/dashboard/package-lock.json" stamp="$root/dashboard/node_modules/.stamp"
  if command -v npm >/dev/null && ! cmp -s "$lock" "$stamp"; then
    say "Installing the dashboard's pinned packages (npm ci)"
    npm --prefix "$root/dashboard" ci --no-audit --no-fund >&2 && cp "$lock" "$stamp"
  fi
  if ! command -v chromium >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    say "Installing chromium for the browser tests"
    { apt-get update && apt-get install -y --no-install-recommends chromium; } >&2
  fi
  return 0
}
