#!/usr/bin/env bash
#
# A gate before an upgrade that asks a ClusterBackupWatch: passes once a backup has succeeded within the given time.
#
#   watch.sh NAMESPACE/NAME AGE [TIMEOUT]      such as: watch.sh platform/prod 2h 45m
#
# It does not trust a condition, which stays as it was when the operator is gone or a new backup runs. It asks for a poll by the
# annotation requestedAt and waits until that very poll is reported. Needs kubectl, jq and the program timeout (of coreutils), and the right
# to get and patch the resource. It ends soon after TIMEOUT at the latest, also where the API server does not answer. Exit codes: 0 a backup
# succeeded within AGE, 1 the newest failed, 2 bad usage, 3 Kubernetes gave no answer, 124 timed out.
set -euo pipefail
export LC_ALL=C # in other locales a-z may match capitals

say() { printf 'watch.sh: %s\n' "$*" >&2; }
usage() { sed -n '5s/^# */usage: /p' "${BASH_SOURCE[0]}" >&2; exit 2; }
# Whatever is no duration or name is bad usage, and neither a backup of any age nor a TIMEOUT that has passed already.
seconds() { # 90s, 45m or 2h, at most 999999 of them
  [[ $1 =~ ^([1-9][0-9]{0,5})([smh])$ ]] || { say "write $1 as 90s, 45m or 2h"; exit 2; }
  case ${BASH_REMATCH[2]} in s) echo $((BASH_REMATCH[1])) ;; m) echo $((BASH_REMATCH[1] * 60)) ;; h) echo $((BASH_REMATCH[1] * 3600)) ;; esac
}
(($# == 2 || $# == 3)) || usage
[[ $1 =~ ^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)$ ]] || usage
namespace=${BASH_REMATCH[1]} name=${BASH_REMATCH[3]}
age=$(seconds "$2")
timeout=$(seconds "${3:-45m}")
readonly namespace name age timeout
deadline=$((SECONDS + timeout))
at_most() { # SECONDS: so long, or what is left if that is less
  local left=$((deadline - SECONDS))
  echo $((left < $1 ? (left > 1 ? left : 1) : $1))s
}
ask() { timeout --kill-after=1s "$(at_most 30)" kubectl "$@"; } # an API server that accepts connections and never answers is no answer
request=0

while ((SECONDS < deadline)); do
  request=$(date +%s)-$$-$((${request##*-} + 1))
  ask annotate --overwrite clusterbackupwatch "$name" --namespace "$namespace" \
    "cce.backupwatch.io/requestedAt=$request" >/dev/null || { say "$namespace/$name: Kubernetes gave no answer"; exit 3; }
  # Without an operator this never comes true, whatever the conditions say.
  if timeout --kill-after=1s "$(at_most 65)" kubectl wait clusterbackupwatch "$name" --namespace "$namespace" --timeout="$(at_most 60)" \
    --for=jsonpath='{.status.lastHandledReconcileAt}'="$request" >/dev/null 2>&1; then
    watch=$(ask get clusterbackupwatch "$name" --namespace "$namespace" --output json) || { say "$namespace/$name: Kubernetes gave no answer"; exit 3; }
    # Without an answer from the cloud the record says nothing about today. Ready turns False only after several polls without an
    # answer; Reconciling says at once that the requested poll got none.
    verdict=$(jq --raw-output --argjson oldest "$(($(date +%s) - age))" '
      def seconds: sub("\\.[0-9]+"; "") | fromdateiso8601;
      (.status.conditions // [] | map({(.type): .status}) | add // {}) as $is
      | (.status.lastSuccess.time // "1970-01-01T00:00:00Z" | seconds) as $success
      | if $is.Ready != "True" or $is.Reconciling == "True" then "blind"
        elif .status.phase == "Failed" then "failed"
        elif .status.phase == "Success" and $success >= $oldest then "passed"
        else "waiting" end' <<<"$watch")
    case $verdict in
      passed) say "$namespace/$name: a backup succeeded within the last $2"; exit 0 ;;
      failed) say "$namespace/$name: the newest backup failed"; exit 1 ;;
    esac
  fi
  sleep "$(at_most 10)"
done
say "$namespace/$name: no backup succeeded within the last $2, and the time is up"
exit 124
