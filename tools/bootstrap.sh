#!/bin/sh
# Makes .venv ready: sh tools/bootstrap.sh demo | dev
# Makes the policy pack's own Python ready, infra/policy/.venv: sh tools/bootstrap.sh policy
#
# Needs a Python of 3.11 or later and nothing else. uv is taken from PATH, from that Python, or put into
# .cache/uv. Versions and hashes come from the lock files alone. Called again it does nothing until a lock
# file changes. PYTHON names the Python to use.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
case "${1:-}" in
  demo) lock=requirements.txt ;;
  dev) lock=requirements-dev.txt ;;
  policy) lock=infra/policy/requirements.txt venv=infra/policy/.venv ;;
  *) echo "usage: sh tools/bootstrap.sh demo|dev|policy" >&2; exit 2 ;;
esac

say() { echo "headrace: $*" >&2; }

# What the stamp must hold: a changed lock, package or path of the checkout makes it stale.
wanted=$(cat "$lock" pyproject.toml tools/build.txt | cksum; pwd)

is_ready() {
  [ -x $venv/bin/python ] && [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints the path of the interpreter itself: what is on PATH may be a launcher.
find_python() {
  for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python; do
    if is_new_enough "$name"; then
      "$name" -c 'import sys; print(sys.executable)'
      return
    elif [ -n "${PYTHON:-}" ]; then
      break
    fi
  done
  say "no Python of 3.11 or later found (tried ${PYTHON:-python3, python3.11 to python3.14, python})."
  say "Install one, or name it: make demo PYTHON=/path/to/python3"
  exit 1
}

find_uv() {
  if command -v uv >/dev/null 2>&1; then
    uv=$(command -v uv)
  elif "$python" -m uv --version >/dev/null 2>&1; then
    uv=
  else
    uv=.cache/uv/bin/uv
    "$uv" --version >/dev/null 2>&1 || fetch_uv
  fi
}

run_uv() {
  if [ -n "$uv" ]; then "$uv" "$@"; else "$python" -m uv "$@"; fi
}

# Debian may lack one of venv and pip: either is enough.
fetch_uv() {
  say "uv is missing: fetching it into .cache/uv"
  rm -rf .cache/uv
  mkdir -p .cache
  options="--quiet --disable-pip-version-check --require-hashes -r tools/uv.txt"
  if "$python" -m venv .cache/uv >/dev/null 2>&1; then
    .cache/uv/bin/python -m pip install $options
  elif rm -rf .cache/uv && "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip install $options --target .cache/uv
  else
    say "uv can't be fetched: $python has neither venv nor pip."
    say "Install uv, or what holds venv and pip (Debian: python3-venv), and try again."
    exit 1
  fi
}

stamp=$venv/.headrace-$1
if is_ready "$stamp" "$wanted"; then
  exit 0
fi
python=$(find_python)
find_uv
if ! { [ -x $venv/bin/python ] && is_new_enough $venv/bin/python; }; then
  say "making $venv with $("$python" --version)"
  rm -rf $venv
  run_uv venv --quiet --python "$python" $venv
fi
say "installing $lock"
# A lock names all there is to install, also what tools/overrides.txt allows against a package's own wish.
run_uv pip install --quiet --no-deps --compile-bytecode --python $venv/bin/python --require-hashes -r "$lock"
# The policy pack is itself a folder that Pulumi runs, and imports nothing of this project.
if [ $venv = .venv ]; then
  run_uv pip install --quiet --python .venv/bin/python --build-constraints tools/build.txt --no-deps -e .
fi
printf '%s\n' "$wanted" >"$stamp"
