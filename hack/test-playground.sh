#!/usr/bin/env bash
#
# Checks what `make run` promises: watches in every odd state, the worst first in `kubectl cbw status`, and an operator that is started again
# when a source changes.
# Functions that only check or await calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
# shellcheck source=hack/check.sh
source hack/check.sh

if [[ ${1:-} != inside ]]; then exec hack/playground/run.sh -- "${BASH_SOURCE[0]}" inside; fi

reason() { # WATCH CONDITION
  kubectl get cbw "$1" --output "jsonpath={.status.conditions[?(@.type=='$2')].reason}"
}
comes_to() { # WATCH CONDITION REASON
  is_reason() { [[ $(reason "$1" "$2") == "$3" ]]; }
  # A fault that may pass is told a minute after the first poll without an answer, and half a minute of grace.
  await 120 is_reason "$@" || { kubectl get cbw "$1" --output yaml; return 1; }
}

while read -r watch condition expected; do
  check "the watch $watch comes to $expected" comes_to "$watch" "$condition" "$expected"
done <<'END'
prod BackupHealthy BackupSucceeded
staging BackupHealthy BackupFailed
busy BackupHealthy BackupSucceeded
cluster-00000004 BackupHealthy BackupStuck
archive BackupHealthy BackupStale
new BackupHealthy NoBackup
forgotten BackupHealthy NoBackup
paused Ready Suspended
upgrading UpgradeProtected UpgradeUnprotected
gone Ready ClusterNotFound
wrong-key Ready AuthenticationFailed
no-secret Ready SecretNotFound
half-secret Ready SecretInvalid
no-identity Ready CredentialsNotAllowed
flaky Ready CloudUnavailable
mistyped Ready CloudUnavailable
END

status_is_bad() {
  local screen status=0 verdicts
  screen=$(kubectl cbw status) || status=$?
  printf '%s\n' "$screen"
  grep -q '^operator: alive: ' <<<"$screen"
  # The first word of each row after the watch and the display name, which all have no spaces here.
  verdicts=$(awk '/^playground\// { print $3 }' <<<"$screen" | uniq | paste -sd ' ')
  [[ $status == 1 && $verdicts =~ ^'blind bad unprotected stale unknown suspended '(running )?'good'$ ]]
}
check 'kubectl cbw status shows the worst first, and ends with 1' status_is_bad
check 'kubectl cbw poll is answered' kubectl cbw poll prod

restarted() { # PID
  is_new() { local now; now=$(<"$PLAYGROUND/operator.pid"); [[ $now != "$1" ]] && kill -0 "$now"; }
  await 600 is_new "$1"
}
before=$(<"$PLAYGROUND/operator.pid")
touch src/main.rs
check 'a changed source starts the operator again' restarted "$before"
check 'the new one leads and answers' kubectl cbw poll prod --timeout 2m

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
