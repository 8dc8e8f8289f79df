#!/usr/bin/env bash
#
# Ends a run of run.sh. Not for calling by hand.
#
#   guard.sh MARK [DIRECTORY] <pipe
#
# run.sh holds the other end of the pipe, and nobody else does. When that end closes, because run.sh is done
# or because somebody killed it, the guard kills every process of the run, removes DIRECTORY and exits. A
# process belongs to the run if MARK is the name of a variable in its environment, or if it descends from one
# that does; so a process that was orphaned, or made itself a session of its own, is found as well.
set -uo pipefail

readonly mark=$1 directory=${2-}

# The terminal cannot reach this session, and a signal from elsewhere must not keep it from its work.
trap '' HUP INT TERM

# The pids of the run, one a line.
survivors() {
  local marked
  marked=$(grep --files-with-matches --no-messages --null-data --line-regexp --fixed-strings \
    -- "$mark=1" /proc/[0-9]*/environ | cut -d / -f 3)
  [[ -n $marked ]] || return 0
  # Children that cleared their environment are found through their parents.
  grep --with-filename --no-messages '^PPid:' /proc/[0-9]*/status | awk -F '[/:\t]+' -v marked="$marked" '
    { parent[$3] = $6 }
    END {
      count = split(marked, pids, "\n")
      for (i = 1; i <= count; i++) doomed[pids[i]]
      do {
        grew = 0
        for (pid in parent) if (!(pid in doomed) && (parent[pid] in doomed)) { doomed[pid]; grew = 1 }
      } while (grew)
      for (pid in doomed) print pid
    }'
}

# Nothing is ever written to the pipe: this returns when it closes.
cat >/dev/null

# Kills repeatedly, because a process may have forked while the list was made.
for ((try = 0; try < 200; try++)); do
  mapfile -t pids < <(survivors)
  if ((${#pids[@]} == 0)); then
    [[ -z $directory ]] || rm -rf -- "$directory"
    exit 0
  fi
  kill -KILL "${pids[@]}" 2>/dev/null
  sleep 0.02
done
printf 'control-plane: these processes could not be killed: %s\n' "${pids[*]}" >&2
exit 1
