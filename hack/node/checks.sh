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
readonly namespace=backup release=cce-backup-watch chart=charts/cce-backup-watch
# One backup that ends, and one that never does and so is polled all the time.
readonly ends=11111111-2222-3333-4444-555555555555 lasts=22222222-2222-3333-4444-555555555555
readonly longest_wait=60   # seconds without a poll that no check lets pass, far above what they take
PATH=$NODE_BIN:$PATH

# shellcheck source=hack/check.sh
source hack/check.sh
# shellcheck source=hack/node/servers.sh
source hack/node/servers.sh

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
  check 'the kubelet registers a node' await 60 kubectl get node/node
  start_proxy
  check 'and the node is ready' is_ready node/node
}

# --- The cloud -----------------------------------------------------------------------------------------

free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)); do
    (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s' "$port"; return; }
  done
}
simulator=$(free_port)
simulate() { # METHOD PATH [BODY]
  curl --silent --show-error --fail --max-time 5 --request "$1" ${3:+--data-binary "$3"} "http://127.0.0.1:$simulator/admin/$2"
}
polls() { simulate GET "clusters/$lasts/requests" | jq .accepted; }
polled_since() { (($(polls) >= $1 + 2)); } # POLLS
goes_on() { # SECONDS
  local before
  before=$(polls) && await "$1" polled_since "$before"
}

# Writes down when the cluster that is polled all the time is polled, until it is stopped.
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
# Runs a command, and tells how long the cluster was not polled meanwhile.
with_gap() { # NAME COMMAND...
  local file=$NODE_STATE/polls-$1 watching status=0
  shift
  watch_polls "$file" &
  watching=$!
  "$@" && goes_on "$longest_wait" || status=$?
  kill "$watching"
  wait "$watching" 2>/dev/null
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
# The first backup begins when the operator is there to see it.
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
          - {after: 15s, phase: Success, progress: 100}"
}

# --- The chart -----------------------------------------------------------------------------------------

in_namespace() { kubectl --namespace "$namespace" "$@"; }
install() { # ARGUMENT...
  helm upgrade --install "$release" "$chart" --namespace "$namespace" --create-namespace --wait --timeout 3m \
    --set "cloud.regionEndpoints.cn-north-4=http://$NODE_ADDRESS:$simulator" "$@" && return
  in_namespace get pods --output wide
  in_namespace get events --sort-by=.lastTimestamp | tail -n 15
  return 1
}
pods() { in_namespace get pods --selector "app.kubernetes.io/name=$release" --field-selector status.phase=Running --output name; }

# Our processes see those of the pods: the pids of the operator, one a line.
operators() {
  local process
  for process in /proc/[0-9]*; do
    [[ $(tr '\0' ' ' 2>/dev/null <"$process/cmdline") != '/cce-backup-watch controller '* ]] || printf '%s\n' "${process##*/}"
  done
}
operator_of() { # POD
  local pid
  for pid in $(operators); do
    if grep -qzFx "HOSTNAME=${1#pod/}" "/proc/$pid/environ"; then printf '%s' "$pid"; return; fi
  done
  return 1
}
# What the kernel says of the operator.
status_of() { # FIELD
  awk -v field="$1:" '$1 == field { $1 = ""; print substr($0, 2) }' "/proc/$(operators | head -n 1)/status"
}
status_is() { # FIELD VALUE
  local got
  got=$(status_of "$1")
  [[ $got == "$2" ]] || { printf '%s is: %s\n' "$1" "$got"; return 1; }
}
root_is_read_only() { awk '$5 == "/" { print; if ($6 !~ /(^|,)ro(,|$)/) exit 1 }' "/proc/$(operators | head -n 1)/mountinfo"; }

a_watch() { # NAME CLUSTER
  cat <<EOF
---
apiVersion: cce.backupwatch.io/v1alpha1
kind: ClusterBackupWatch
metadata: {name: $1, namespace: $namespace}
spec:
  region: cn-north-4
  projectID: 0123456789abcdef0123456789abcdef
  clusterID: $2
  interval: 10s
  activeInterval: 2s
  credentials: {secretRef: {name: huawei}}
EOF
}
apply_watches() {
  in_namespace create secret generic huawei --from-literal=accessKey=AK --from-literal=secretKey=SK &&
    { a_watch ends "$ends"; a_watch lasts "$lasts"; } | kubectl apply --filename -
}
reaches() { # WATCH CONDITION SECONDS
  in_namespace wait "clusterbackupwatch/$1" --for="$2" --timeout="$3s" && return
  in_namespace get "clusterbackupwatch/$1" --output yaml | sed -n '/^status:/,$p'
  tail -n 10 /var/log/pods/"$namespace"_*/controller/*.log
  return 1
}
has_events() { # REASON...
  local reason
  for reason; do
    in_namespace get events.events.k8s.io --output json | jq --exit-status --arg reason "$reason" \
      'any(.items[]; .reason == $reason and .regarding.name == "ends" and (.note | contains("nightly")))' || return
  done
}
# The audit log has who wrote the status, and the token has the pod that it was made for.
wrote_as_pod() {
  local pod
  pod=$(pods) && jq --exit-status --slurp --arg user "system:serviceaccount:$namespace:$release" --arg pod "${pod#pod/}" 'map(select(
    .objectRef.resource == "clusterbackupwatches" and .objectRef.subresource == "status" and .objectRef.name == "ends"))
    | length > 0 and all(.user.username == $user and .user.extra["authentication.kubernetes.io/pod-name"] == [$pod])' "$CBW_AUDIT_LOG"
}

helm_test() { helm test "$release" --namespace "$namespace" --timeout 2m || { in_namespace describe pod "$release-test"; return 1; }; }

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
# There is no other node for the pod that is evicted first, so the other one must not be.
drain_until_refused() { await 60 refused_by_budget || { cat "$NODE_STATE/drain.log"; return 1; }; }
one_stays() { (($(operators | wc -l) == 1)) && [[ $(in_namespace get deployment "$release" --output jsonpath='{.status.readyReplicas}') == 1 ]]; }
# With the node open again, the first has a successor, and the second may go.
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
# For what everything after it needs.
or_end() { ((failed == 0)) || end; }

start_node
or_end
start_cloud

check 'the pod is ready: helm install --wait' install
or_end
check 'its user is no root' status_is Uid '65532 65532 65532 65532'
check 'nor is its group' status_is Gid '65532 65532 65532 65532'
check 'it has no other group' status_is Groups 65532
check 'and no capability' status_is CapEff 0000000000000000
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
check 'one pod goes on' one_stays
check 'and polls' goes_on "$longest_wait"
check 'the drain ends when the evicted pod has a successor' drain_ends
check 'both replicas are back' rolled_out
check 'and poll' goes_on "$longest_wait"
check 'no watch noticed anything' reaches lasts condition=Ready 10

check 'the pods stop by themselves: helm uninstall --wait' stops_by_itself
end
