# shellcheck shell=bash
#
# For hack/test-flux.sh: a simulated cloud, and the operator as the pod of the HelmRelease would run it.

readonly region=cn-north-4 project=0123456789abcdef0123456789abcdef
readonly prod=11111111-2222-3333-4444-555555555555 staging=66666666-7777-8888-9999-000000000000

# Starts the simulator; its address is then in $cloud.
cloud_starts() {
  CCE_SIMULATOR_SECRET_KEY=SK "$CBW_BIN_DIR/cce-simulator" --access-key AK >"$scratch/simulator.out" 2>"$scratch/simulator.log" </dev/null &
  children+=($!)
  await 30 grep -q 'http://' "$scratch/simulator.out" || return
  cloud=$(grep -o 'http://[^ ]*' "$scratch/simulator.out" | head -n 1)
}

# Sets the tasks that the cloud lists for the cluster prod from now on. The cluster staging always has a success.
cloud_is() { # none|running|stale|failed|fresh
  local tasks=''
  case $1 in
    running) tasks='{at: -10s, steps: [{phase: Running, progress: 40}]}' ;;
    stale) tasks='{at: -48h, steps: [{phase: Running}, {after: 5m, phase: Success, progress: 100}]}' ;;
    failed) tasks='{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Failed, progress: 62}]}' ;;
    fresh) tasks='{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Success, progress: 100}]}' ;;
  esac
  curl --fail-with-body --silent --show-error --request PUT "$cloud/admin/scenario" --data-binary "
clusters:
  $prod: {tasks: [$tasks]}
  $staging: {tasks: [{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Success, progress: 100}]}]}"
}

a_watch() { # NAME CLUSTER SECRET
  cat <<EOF
apiVersion: cce.backupwatch.io/v1alpha1
kind: ClusterBackupWatch
metadata: {name: $1, namespace: platform}
spec:
  region: $region
  projectID: $project
  clusterID: $2
  interval: 10s
  activeInterval: 2s
  maxAge: 26h
  credentials: {secretRef: {name: $3}}
EOF
}

# Requests a poll of a watch, and waits until the operator has echoed the request.
poll() { # NAME
  local request
  request=$(date +%s.%N)
  kubectl annotate "clusterbackupwatch/$1" --namespace platform --overwrite --field-manager=test-flux \
    "cce.backupwatch.io/requestedAt=$request" &&
    kubectl wait "clusterbackupwatch/$1" --namespace platform --for=jsonpath='{.status.lastHandledReconcileAt}'="$request" --timeout=60s
}

watch_is() { # NAME CONDITION=STATUS [REASON]
  local type=${2%=*}
  kubectl wait "clusterbackupwatch/$1" --namespace platform --for="condition=$2" --timeout=120s && [[ -z ${3-} || $3 == $(
    kubectl get clusterbackupwatch "$1" --namespace platform --output jsonpath="{.status.conditions[?(@.type=='$type')].reason}") ]] && return
  kubectl get clusterbackupwatch "$1" --namespace platform --output yaml
  return 1
}

pod_of_operator() {
  kubectl get pods --namespace cce-backup-watch --selector app.kubernetes.io/name=cce-backup-watch --output json |
    jq --exit-status '.items | map(select(.metadata.deletionTimestamp | not)) | sort_by(.metadata.creationTimestamp) | last | select(. != null)'
}

# Does the part of a kubelet: runs the container of the release's pod with its arguments and its ServiceAccount, and reports to the
# API server that the pod is ready once it is.
operator_starts() {
  local account arguments=() pod
  await 30 pod_of_operator || { kubectl get all --namespace cce-backup-watch; return 1; }
  pod_of_operator >"$scratch/pod.json"
  pod=$(jq --raw-output .metadata.name "$scratch/pod.json")
  account=$(jq --raw-output .spec.serviceAccountName "$scratch/pod.json")
  mapfile -t arguments < <(jq --raw-output '.spec.containers[0].args[]' "$scratch/pod.json")
  kubeconfig_of cce-backup-watch "$account" "$scratch/operator.kubeconfig" || return
  KUBECONFIG=$scratch/operator.kubeconfig "$CBW_BIN_DIR/cce-backup-watch" "${arguments[@]}" >"$scratch/operator.log" 2>&1 </dev/null &
  printf '%s' $! >"$scratch/operator.pid"
  await 30 curl --fail --silent "http://127.0.0.1:$operator_port/readyz" || { tail -n 20 "$scratch/operator.log"; return 1; }
  kubectl patch pod "$pod" --namespace cce-backup-watch --subresource=status --type=merge --patch "{\"status\": {\"phase\": \"Running\",
    \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\", \"lastTransitionTime\": \"$(date --utc +%FT%TZ)\"}]}}"
}

end() { # NAME
  [[ ! -r $scratch/$1.pid ]] || kill "$(<"$scratch/$1.pid")" 2>/dev/null
  rm -f -- "$scratch/$1.pid"
}
