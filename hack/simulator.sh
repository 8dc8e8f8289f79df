# shellcheck shell=bash
#
# For scripts that play a cloud on this machine. They have $work, a folder of their own, and $children, the processes that
# they end, and have built the simulator with build_binaries.

# shellcheck source=hack/build.sh
source hack/build.sh

# Waits until a command succeeds, for at most SECONDS.
await() { # SECONDS COMMAND...
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < until)) || { printf 'gave up waiting for: %s\n' "$*" >&2; return 1; }
    sleep 0.2
  done
}

# Starts the simulator with a new pair of keys, and sets $access_key, $secret_key, and $cloud, its URL.
start_simulator() { # SCENARIO KEY_PREFIX
  access_key=$2$RANDOM$RANDOM
  secret_key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  # shellcheck disable=SC2154
  CCE_SIMULATOR_SECRET_KEY=$secret_key "$CBW_BIN_DIR/cce-simulator" --access-key "$access_key" \
    --scenario "$1" >"$work/simulator.out" 2>"$work/simulator.log" &
  children+=($!)
  await 30 grep -q 'http://' "$work/simulator.out"
  # For the script that reads this one.
  # shellcheck disable=SC2034
  cloud=$(grep -o 'http://[^ ]*' "$work/simulator.out" | head -n 1)
}
