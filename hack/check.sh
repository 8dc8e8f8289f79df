# shellcheck shell=bash
#
# For scripts that check promises: check counts in $passed and $failed, and await waits for something that takes a moment.

passed=0 failed=0
check() { # WHAT COMMAND...
  local what=$1 output
  shift
  if output=$("$@" 2>&1 </dev/null); then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$what"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$what"
    tail -n 40 <<<"$output" | while read -r; do printf '        %s\n' "$REPLY"; done
  fi
}

# Waits until a command succeeds, for at most SECONDS.
await() { # SECONDS COMMAND...
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < until)) || { printf 'gave up waiting for: %s\n' "$*" >&2; return 1; }
    sleep 0.2
  done
}
