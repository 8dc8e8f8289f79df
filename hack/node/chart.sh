# shellcheck shell=bash
#
# For hack/node/checks.sh: installs the chart and the watches, and reads the state of the pods from the API server and the kernel.
#
# Some of the variables are those of cloud.sh.
# shellcheck disable=SC2154

readonly namespace=backup release=cce-backup-watch chart=charts/cce-backup-watch
readonly project=0123456789abcdef0123456789abcdef

in_namespace() { kubectl --namespace "$namespace" "$@"; }
# In this namespace the API server refuses a pod that violates the restricted Pod Security Standard.
make_namespace() {
  kubectl create namespace "$namespace" && kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted
}
write_values() {
  cat >/run/node/values.yaml <<EOF
cloud: {regionEndpoints: {cn-north-4: "http://$NODE_ADDRESS:$simulator"}}
scheduledBackup:
  enabled: true
  suspend: true
  clusters: [{name: nightly, region: cn-north-4, projectID: "$project", clusterID: $waits}]
  credentials: {secretName: huawei}
EOF
}
install() { # ARGUMENT...
  helm upgrade --install "$release" "$chart" --namespace "$namespace" --wait --timeout 3m --values /run/node/values.yaml "$@" && return
  in_namespace get pods --output wide
  in_namespace get events --sort-by=.lastTimestamp | tail -n 15
  return 1
}
pods() { in_namespace get pods --selector app.kubernetes.io/component=controller --field-selector status.phase=Running --output name; }

# Prints the pids of the operator's processes, one a line. The pods' processes are visible here, in the parent pid namespace.
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
# Prints a field of /proc/PID/status of the operator.
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
  projectID: $project
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
none_was_blind() {
  reaches ends condition=Ready 10 && reaches lasts condition=Ready 10 && ! in_namespace get events.events.k8s.io | grep PollFailed
}
# The audit log names the user that wrote the status and the pod that the token was issued for. Its last line may be incomplete.
wrote_as_pod() {
  local pod
  pod=$(pods) && jq --exit-status --slurp --arg user "system:serviceaccount:$namespace:$release" --arg pod "${pod#pod/}" 'map(select(
    .objectRef.resource == "clusterbackupwatches" and .objectRef.subresource == "status" and .objectRef.name == "ends"))
    | length > 0 and all(.user.username == $user and .user.extra["authentication.kubernetes.io/pod-name"] == [$pod])' <(head -n -1 "$CBW_AUDIT_LOG")
}

helm_test() { helm test "$release" --namespace "$namespace" --timeout 2m || { in_namespace describe pod "$release-test"; return 1; }; }

scheduled_backup() {
  in_namespace create job nightly --from="cronjob/$release-backup-nightly" &&
    in_namespace wait job/nightly --for=condition=Complete --timeout=120s && return
  in_namespace describe pod --selector job-name=nightly | tail -n 15
  return 1
}
started_one() { simulate GET "clusters/$waits/start-requests" | jq --exit-status '.requests == 1'; }
