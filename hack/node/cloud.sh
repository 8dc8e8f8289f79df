# shellcheck shell=bash
#
# For hack/node/checks.sh: the simulated cloud that the pods poll, and the times of their polls.

# Three clusters: one whose backup ends, one whose backup never ends and so is polled all the time, and one without a backup
# until one is started.
readonly ends=11111111-2222-3333-4444-555555555555 lasts=22222222-2222-3333-4444-555555555555 waits=33333333-2222-3333-4444-555555555555
readonly longest_wait=60   # seconds without a poll that no check lets pass, far above what they take

simulator=$(free_port)
simulate() { # METHOD PATH [BODY]
  curl --noproxy '*' --silent --show-error --fail --max-time 5 --request "$1" ${3:+--data-binary "$3"} "http://127.0.0.1:$simulator/admin/$2"
}
polls() { simulate GET "clusters/$lasts/requests" | jq .accepted; }
polled_since() { (($(polls) >= $1 + 2)); } # POLLS
goes_on() { # SECONDS
  local before
  before=$(polls) && await "$1" polled_since "$before"
}

# Records the times at which the cluster with the endless backup is polled, until it is killed.
watch_polls() { # FILE
  local now last=''
  while now=$(polls); do
    [[ $now == "$last" ]] || printf '%s\n' "$EPOCHREALTIME"
    last=$now
    sleep 0.05
  done >"$1"
}
longest_gap() { # FILE
  awk '{ if (NR > 1 && $1 - last > most) most = $1 - last; last = $1 } END { if (NR < 2) exit 1; printf "%.1f", most }' "$1"
}
# Runs a command, and records the polls from its start until two polls after its end.
with_gap() { # NAME COMMAND...
  local file=$NODE_STATE/polls-$1 watching status=0
  shift
  watch_polls "$file" &
  watching=$!
  "$@" && goes_on "$longest_wait" || status=$?
  kill "$watching"
  wait "$watching" 2>/dev/null
  # The present time closes a gap that has not ended with a poll.
  printf '%s\n' "$EPOCHREALTIME" >>"$file"
  return "$status"
}
report_gap() { # NAME WHAT
  local gap
  gap=$(longest_gap "$NODE_STATE/polls-$1") || gap=unknown
  printf '        longest time between two polls during %s: %s s\n' "$2" "$gap"
}
gap_is_bounded() { # NAME
  local gap
  gap=$(longest_gap "$NODE_STATE/polls-$1") || return
  ((${gap%.*} < longest_wait)) || { printf 'it is %s s\n' "$gap"; return 1; }
}

start_cloud() {
  serve simulator "$CBW_BIN_DIR/cce-simulator" --listen "0.0.0.0:$simulator" --access-key AK --secret-key SK
  check 'a simulated cloud answers' await 30 simulate GET requests
  simulate PUT "clusters/$lasts/tasks" '[{"uid": "endless", "phase": "Running", "progress": 10}]'
}
# Starts the scenario. It is called once the operator runs, so that the operator sees the backup begin.
play() {
  simulate PUT scenario "
clusters:
  $ends:
    tasks:
      - at: 3s
        uid: nightly
        steps:
          - {phase: Init, progress: 0}
          - {after: 3s, phase: Running, progress: 0}
          - {after: 15s, phase: Success, progress: 100}
  $waits:
    onBackup:
      - {phase: Init, progress: 0}
      - {after: 5s, phase: Success, progress: 100}"
}
