#!/usr/bin/env bash
#
# The checks of hack/test-node.sh, which calls this with a control plane in the node's namespaces.
#
#   checks.sh ARCHIVE PAUSE-ARCHIVE
#
# Functions that only "check" calls look unreachable to shellcheck, and what "eval" gets is in single quotes.
# shellcheck disable=SC2016,SC2034,SC2317,SC2329
set -uo pipefail

readonly archive=$1 pause=$2
PATH=$NODE_BIN:$PATH

# shellcheck source=hack/check.sh
source hack/check.sh
# shellcheck source=hack/node/servers.sh
source hack/node/servers.sh
# shellcheck source=hack/node/cloud.sh
source hack/node/cloud.sh
# shellcheck source=hack/node/chart.sh
source hack/node/chart.sh

# --- The node ------------------------------------------------------------------------------------------

containerd_answers() { ctr --namespace k8s.io version; }
import() { # ARCHIVE
  ctr --namespace k8s.io images import "$1"
}
has_image() { ctr --namespace k8s.io images list --quiet | grep -Fx "$1"; } # REFERENCE
asked_for() { helm template x "$chart" --show-only templates/deployment.yaml | sed -n 's/^ *image: "\(.*\)"$/\1/p'; }
is_ready() { kubectl wait "$1" --for=condition=Ready --timeout="${2:-120}s" || { tail -n 15 "$NODE_STATE/kubelet.log"; return 1; }; }

start_node() {
  start_containerd
  check 'containerd answers' await 60 containerd_answers
  check 'it has the image, by the name that the chart asks for' eval 'import "$archive" && has_image "$(asked_for)"'
  check 'and one to hold the namespaces of pods' eval 'import "$pause" && has_image "$NODE_PAUSE"'
  start_kubelet
  start_scheduler
  check 'the kubelet registers a node' await 120 kubectl get node/node
  start_proxy
  check 'and the node is ready' is_ready node/node
}

# --- Changes -------------------------------------------------------------------------------------------

two_replicas=(--set replicaCount=2 --set leaderElection.enabled=true --set podDisruptionBudget.enabled=true)
roll() { install "${two_replicas[@]}" --set-string "podAnnotations.rolled=$1"; } # VALUE
# A pod that is stopping still counts as running.
all_replaced() { # PODS-BEFORE
  ! grep -Fx -f <(printf '%s\n' "$1") <(pods) && (($(pods | wc -l) == 2))
}

# The pod that holds the Lease.
leader() {
  local holder pod
  holder=$(in_namespace get lease "$release" --output jsonpath='{.spec.holderIdentity}') || return
  for pod in $(pods); do
    if [[ $holder == "${pod#pod/}"* ]]; then printf '%s' "$pod"; return; fi
  done
  return 1
}
kill_leader() {
  local pod pid
  await 60 leader && pod=$(leader) && pid=$(operator_of "$pod") || return
  kill -KILL "$pid" &&
    in_namespace wait "$pod" --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 --timeout=60s &&
    in_namespace wait "$pod" --for=jsonpath='{.status.containerStatuses[0].lastState.terminated.exitCode}'=137 --timeout=10s &&
    in_namespace wait "$pod" --for=condition=Ready --timeout=60s
}

drain() {
  kubectl drain node --ignore-daemonsets --timeout=170s
  printf '%s\n' $? >"$NODE_STATE/drain.status"
}
refused_by_budget() { grep -qF "violate the pod's disruption budget" "$NODE_STATE/drain.log"; }
# The pod that is evicted first cannot start on another node, so the budget must refuse the eviction of the second.
drain_until_refused() { await 60 refused_by_budget || { cat "$NODE_STATE/drain.log"; return 1; }; }
one_stays() { (($(operators | wc -l) == 1)) && [[ $(in_namespace get deployment "$release" --output jsonpath='{.status.readyReplicas}') == 1 ]]; }
# Once the node is schedulable again, the first pod gets a successor, and the second may be evicted.
drain_ends() {
  kubectl uncordon node && await 180 test -s "$NODE_STATE/drain.status" || return
  [[ $(<"$NODE_STATE/drain.status") == 0 ]] || { cat "$NODE_STATE/drain.log"; return 1; }
}
rolled_out() { in_namespace rollout status "deployment/$release" --timeout=120s; }
stops_by_itself() {
  helm uninstall "$release" --namespace "$namespace" --wait --timeout 2m && await 30 no_operator
}
no_operator() { [[ -z $(operators) ]]; }

# --- All of it -----------------------------------------------------------------------------------------

end() {
  printf '%s %s\n' "$passed" "$failed" >"$NODE_STATE/counts"
  exit 0
}
# Ends the run if a check has failed that everything after it needs.
or_end() { ((failed == 0)) || end; }

start_node
or_end
start_cloud

check 'a namespace that enforces the restricted Pod Security Standard' make_namespace
write_values
check 'the pod is ready: helm install --wait' install
or_end
check 'its user is no root' status_is Uid '65532 65532 65532 65532'
check 'nor is its group' status_is Gid '65532 65532 65532 65532'
check 'it has no other group' status_is Groups 65532
check 'no capability' status_is CapEff 0000000000000000
check 'and can gain none' eval 'status_is CapBnd 0000000000000000 && status_is NoNewPrivs 1'
check 'seccomp filters its calls' status_is Seccomp 2
check 'its root cannot be written' root_is_read_only

check 'watches are accepted' apply_watches
check 'a backup begins' play
check 'the watch of it shows Success' reaches ends jsonpath='{.status.phase}'=Success 120
check 'and is ready and healthy' eval 'reaches ends condition=Ready 30 && reaches ends condition=BackupHealthy 30'
check 'Events report its start and its end' has_events BackupStarted BackupSucceeded
check 'the pod wrote the status with a token of its own' wrote_as_pod

start_dns "$release.$namespace.svc.cluster.local,$(in_namespace get service "$release" --output jsonpath='{.spec.clusterIP}')"
check 'helm test' helm_test
check 'a Job of the CronJob that backs up' scheduled_backup
check 'has started one backup' started_one

check 'two replicas with leader election' roll 0
before=$(pods)
check 'a rolling update: helm upgrade --wait' with_gap rollout roll 1
check 'it replaces both pods' await 60 all_replaced "$before"
report_gap rollout 'the rolling update'
check "which is below $longest_wait s" gap_is_bounded rollout

check 'kill -9 of the leader: its container is started again' with_gap kill kill_leader
report_gap kill 'the kill'
check "which is below $longest_wait s" gap_is_bounded kill

serve drain drain
check 'kubectl drain: the budget refuses the second eviction' drain_until_refused
check 'one pod goes on' await 30 one_stays
check 'and polls' goes_on "$longest_wait"
check 'the drain ends when the evicted pod has a successor' drain_ends
check 'both replicas are back' rolled_out
check 'and poll' goes_on "$longest_wait"
check 'no watch has been blind' none_was_blind

check 'the pods stop by themselves: helm uninstall --wait' stops_by_itself
end
