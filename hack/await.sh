# shellcheck shell=bash

# Waits until a command succeeds, for at most SECONDS.
await() { # SECONDS COMMAND...
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < until)) || { printf 'gave up waiting for: %s\n' "$*" >&2; return 1; }
    sleep 0.2
  done
}
