# shellcheck shell=bash
#
# For scripts that check promises: check counts in $passed and $failed, await waits for something that takes a moment, and
# free_port names a port for a server.

passed=0 failed=0
# Says by name what this machine cannot show, so that it is not taken for shown.
skip() { # WHAT WHY
  printf 'skipped %s: %s\n' "$1" "$2"
}
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

# A TCP port on which nothing listens. It is below the range from which the kernel takes the ports of outgoing connections.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)); do
    (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s' "$port"; return; }
  done
}
