#!/usr/bin/env bash
#
# Tests the gates of docs/backup.md, the chart's scheduled backups and `discover | kubectl apply` on a real API server, with the
# Job controller, the operator and a simulated cloud. There is no kubelet: this script runs the command of each pod as the pod has
# it, and reports its exit code to the API server as a kubelet would.
#
#   test-gates.sh
#
# CBW_BIN_DIR may name a directory with cce-backup-watch and cce-simulator; otherwise cargo builds them. The last line is "N passed,
# N failed".
#
# Functions that only "check" calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
readonly root chart=charts/cce-backup-watch namespace=platform
readonly region=cn-north-4 project=0123456789abcdef0123456789abcdef cluster=11111111-2222-3333-4444-555555555555

# shellcheck source=hack/check.sh
source hack/check.sh
section() { printf '\n%s\n' "$*"; }

for tool in curl jq; do
  command -v "$tool" >/dev/null || { printf 'test-gates.sh: %s is not on PATH\n' "$tool" >&2; exit 2; }
done
if [[ ${1-} != --inside ]]; then
  if [[ -z ${CBW_BIN_DIR-} ]]; then
    cargo build --locked --quiet --workspace || exit 2
    CBW_BIN_DIR=${CARGO_TARGET_DIR:-$root/target}/debug
  fi
  export CBW_BIN_DIR
  bin=$(hack/control-plane/provision.sh etcd kube-apiserver kube-controller-manager kubectl helm actionlint) || exit 2
  PATH=$bin:$PATH exec hack/control-plane/run.sh --with-controller-manager -- "$root/hack/test-gates.sh" --inside
fi

scratch=$(mktemp -d)
children=()
clean_up() {
  operator_ends
  ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null
  rm -rf -- "$scratch"
}
trap clean_up EXIT

# --- The cloud -----------------------------------------------------------------------------------------

CCE_SIMULATOR_SECRET_KEY=SK "$CBW_BIN_DIR/cce-simulator" --access-key AK >"$scratch/simulator.out" 2>"$scratch/simulator.log" &
children+=($!)
await 30 grep -q 'http://' "$scratch/simulator.out" || exit 2
cloud=$(grep -o 'http://[^ ]*' "$scratch/simulator.out" | head -n 1)
readonly cloud

admin() { # METHOD PATH [BODY]
  curl --fail-with-body --silent --show-error --request "$1" "$cloud/admin/$2" ${3+--data-binary "$3"}
}
# The cases share an account. Together they make more than its ten writes a minute on a fast machine, and one that is about a pod
# that is killed would then see it wait.
admin PUT write-limit '{"perMinute": 1000}' || exit 2
# Sets the tasks that the cloud lists from now on. Backups that are started end after two seconds in PHASE.
cloud_is() { # SITUATION [PHASE]
  local tasks
  case $1 in
    none) tasks='' ;;
    stale) tasks='{at: -3h, steps: [{phase: Running}, {after: 5m, phase: Success, progress: 100}]}' ;;
    running) tasks='{at: -10s, steps: [{phase: Running, progress: 0}, {after: 15s, phase: Success, progress: 100}]}' ;;
    endless) tasks='{at: -10s, steps: [{phase: Running, progress: 40}]}' ;;
    failed) tasks='{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Failed, progress: 62}]}' ;;
    fresh) tasks='{at: -10m, steps: [{phase: Running}, {after: 5m, phase: Success, progress: 100}]}' ;;
  esac
  admin PUT scenario "
clusters:
  $cluster:
    listed: {name: prod}
    tasks: [$tasks]
    onBackup: [{phase: Running, progress: 0}, {after: 2s, phase: ${2:-Success}, progress: 100}]
  66666666-7777-8888-9999-000000000000:
    listed: {name: staging, autopilot: true}" && admin POST requests/reset
}
started() { # N: so many requests for a backup were made
  local requests
  requests=$(admin GET "clusters/$cluster/start-requests" | jq .requests)
  [[ $requests == "$1" ]] || { printf '%s requests for a backup, not %s\n' "$requests" "$1"; return 1; }
}

# --- Pods without a kubelet ----------------------------------------------------------------------------

# Runs the command of a pod's only container with its arguments and variables. The simulator's address is added by environment
# variables, so that no argument of the pod is changed. With a time the container is killed after it, as when its node goes away.
run_container() { # POD.json [TIME]
  local key name arguments=() variables=()
  mapfile -t arguments < <(jq --raw-output '.spec.containers[0].args[]' "$1")
  while read -r name secret key; do
    variables+=("$name=$(kubectl get secret "$secret" --namespace "$namespace" --output "jsonpath={.data.$key}" | base64 --decode)")
  done < <(jq --raw-output '.spec.containers[0].env[]? | select(.valueFrom.secretKeyRef.optional | not)
      | "\(.name) \(.valueFrom.secretKeyRef.name) \(.valueFrom.secretKeyRef.key)"' "$1")
  env --ignore-environment "PATH=$PATH" "CBW_REGION_ENDPOINT=$region=$cloud" CBW_INTERVAL=1s "${variables[@]}" \
    ${2:+timeout --signal=KILL "$2"} "$CBW_BIN_DIR/cce-backup-watch" "${arguments[@]}"
}
pod_of_job() { # JOB
  kubectl get pods --namespace "$namespace" --selector "batch.kubernetes.io/job-name=$1" --output json |
    jq --exit-status '.items | map(select(.status.phase == "Pending")) | first | select(. != null)'
}
# Runs the pod that the Job controller has made, and says how it ended.
run_pod_of_job() { # JOB [TIME]
  local pod code=0 phase=Succeeded
  await 30 pod_of_job "$1" || { kubectl describe job "$1" --namespace "$namespace"; return 1; }
  pod_of_job "$1" >"$scratch/pod.json"
  pod=$(jq --raw-output .metadata.name "$scratch/pod.json")
  run_container "$scratch/pod.json" "${2-}" || code=$?
  ((code == 0)) || phase=Failed
  kubectl patch pod "$pod" --namespace "$namespace" --subresource=status --type=merge --patch "{\"status\": {\"phase\": \"$phase\",
    \"containerStatuses\": [{\"name\": \"backup\", \"image\": \"x\", \"imageID\": \"x\", \"ready\": false, \"restartCount\": 0,
      \"state\": {\"terminated\": {\"exitCode\": $code}}}]}}"
}
# A Job that fails must fail with its first pod: another one could start another backup.
job_is() { # JOB CONDITION
  kubectl wait "job/$1" --namespace "$namespace" --for="condition=$2" --timeout=30s || return
  [[ $2 != Failed ]] || [[ $(kubectl get job "$1" --namespace "$namespace" --output \
    jsonpath='{.status.failed} {.status.conditions[?(@.type=="Failed")].reason}') == '1 PodFailurePolicy' ]]
}
is_pending() { ! kubectl wait "job/$1" --namespace "$namespace" --for=condition=Complete --timeout=1s; }

# The answers to a request for a backup: one that refuses, and one from which nobody can tell whether a backup was started.
readonly refuses='{"kind": "status", "status": 403}' unclear='{"kind": "status", "status": 502}'
starts_with() { admin PUT "clusters/$cluster/start-fault" "$1"; } # FAULT

# Creates a Job from a file; its name is in $job. The namespace enforces the restricted Pod Security Standard, so it would refuse a
# pod of the Job that violates it.
create_job() { # FILE
  kubectl delete jobs --all --namespace "$namespace" --wait >/dev/null 2>&1
  job=$(kubectl create --namespace "$namespace" --validate=strict --filename "$1" --output json | jq --raw-output .metadata.name) || return
  is_pending "$job" || { echo 'it passed before its pod had run'; return 1; }
}
# Runs a Job from a file, and checks whether it lets the upgrade begin and how many backups were started for it.
gate_job() { # FILE SITUATION PHASE CONDITION STARTED
  local job
  cloud_is "$2" "$3" && create_job "$1" && run_pod_of_job "$job" && job_is "$job" "$4" && started "$5"
}
# The same where a request for a backup is answered with a fault.
gate_job_without_answer() { # FILE FAULT
  local job result=0
  cloud_is none && starts_with "$2" && create_job "$1" && run_pod_of_job "$job" && job_is "$job" Failed && started 1 || result=$?
  admin DELETE "clusters/$cluster/start-fault"
  return "$result"
}
# The same where the first pod is killed while its backup runs.
gate_job_killed() { # FILE
  local job
  cloud_is none && create_job "$1" && run_pod_of_job "$job" 1s && started 1 && run_pod_of_job "$job" && job_is "$job" Complete && started 1
}

# Runs the commands that the file's own comment gives, up to the upgrade, and the Job's pod beside them.
commented_wait() { # PHASE CODE
  local job commands code=0
  cloud_is none "$1" || return
  kubectl delete jobs --all --namespace "$namespace" --wait >/dev/null 2>&1
  commands=$(sed -n 's/^#   //p' docs/gates/job.yaml)
  [[ $commands == *'./upgrade' ]] || { printf 'no commands: %s\n' "$commands"; return 1; }
  # It would sit out the first wait without its end at a failure, so two minutes tell.
  (cd docs/gates && timeout 120 bash -c "upgrade() { touch $scratch/upgraded; }; ${commands/.\/upgrade/upgrade}") &
  local waits=$!
  await 30 one_job && run_pod_of_job "$job"
  wait "$waits" || code=$?
  ((code == $2)) || { printf 'the commands ended with %s\n' "$code"; return 1; }
  if (($2 == 0)); then rm -- "$scratch/upgraded"; else [[ ! -e $scratch/upgraded ]]; fi
}
one_job() { job=$(kubectl get jobs --namespace "$namespace" --output jsonpath='{.items[0].metadata.name}') && [[ -n $job ]]; }
# A Job whose pod never starts, with its end brought near.
gate_job_ends() { # FILE
  local job
  sed -E 's/^( *activeDeadlineSeconds): .*/\1: 2/' "$1" >"$scratch/soon.yaml"
  grep -q 'activeDeadlineSeconds: 2$' "$scratch/soon.yaml" && create_job "$scratch/soon.yaml" || return
  kubectl wait "job/$job" --namespace "$namespace" --for=condition=Failed --timeout=30s &&
    [[ $(kubectl get job "$job" --namespace "$namespace" --output jsonpath='{.status.conditions[?(@.type=="Failed")].reason}') == DeadlineExceeded ]]
}

# --- The chart's CronJob -------------------------------------------------------------------------------

cron_values() {
  cat <<EOF
scheduledBackup:
  enabled: true
  credentials: {secretName: huawei-backup}
  clusters:
    - {name: prod, region: $region, projectID: $project, clusterID: $cluster}
EOF
}
cron_applies() {
  cron_values >"$scratch/values.yaml"
  helm template watch "$chart" --namespace "$namespace" --values "$scratch/values.yaml" --show-only templates/scheduled-backup.yaml \
    >"$scratch/cron.yaml" && kubectl apply --server-side --validate=strict --filename "$scratch/cron.yaml"
}
# A run of the CronJob as its schedule would make it.
cron_runs() { # NAME CONDITION STARTED
  kubectl create job "$1" --from=cronjob/watch-cce-backup-watch-backup-prod --namespace "$namespace" &&
    run_pod_of_job "$1" && job_is "$1" "$2" && started "$3"
}
cron_run_fails() { # NAME [FAULT]: after one pod and one request, by a backup that fails or a request that is answered with a fault
  local result=0
  cloud_is none Failed || return
  [[ -z ${2-} ]] || starts_with "$2" || return
  cron_runs "$1" Failed 1 || result=$?
  [[ -z ${2-} ]] || admin DELETE "clusters/$cluster/start-fault"
  return "$result"
}

cron_run_ends() {
  kubectl create job sixth --from=cronjob/watch-cce-backup-watch-backup-prod --namespace "$namespace" --dry-run=client --output yaml |
    sed -E 's/^( *)activeDeadlineSeconds: 33000$/\1activeDeadlineSeconds: 2/' >"$scratch/sixth.yaml" &&
    gate_job_ends "$scratch/sixth.yaml"
}

# --- Pipelines -----------------------------------------------------------------------------------------

# Extracts the command of the workflow's step. In its place of `docker run` a stub calls the binary with the arguments that follow
# the image.
github_step() {
  mkdir -p "$scratch/bin"
  cat >"$scratch/bin/docker" <<'EOF'
#!/usr/bin/env bash
while (($# > 0)); do
  case $1 in ghcr.io/*) shift; exec "$CBW_BIN_DIR/cce-backup-watch" "$@" ;; *) shift ;; esac
done
exit 99
EOF
  chmod +x "$scratch/bin/docker"
  kubectl create --dry-run=client --validate=false --output json --filename <(
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nworkflow:\n'; sed 's/^/  /' docs/gates/github.yaml) |
    jq --raw-output '.workflow.jobs.upgrade.steps[0].run' >"$scratch/step" && [[ -s $scratch/step ]]
}
in_pipeline() { # COMMAND...
  env "PATH=$scratch/bin:$PATH" HUAWEICLOUD_SDK_AK=AK HUAWEICLOUD_SDK_SK=SK "CBW_REGION=$region" "CBW_PROJECT_ID=$project" \
    "CBW_CLUSTER_ID=$cluster" "CBW_REGION_ENDPOINT=$region=$cloud" CBW_INTERVAL=1s "$@"
}
github() { # SITUATION PHASE CODE STARTED
  local code=0
  cloud_is "$1" "$2" && github_step || return
  in_pipeline bash -e "$scratch/step" || code=$?
  ((code == $3)) && started "$4"
}
gitlab() { # SITUATION PHASE CODE STARTED
  local code=0 script
  cloud_is "$1" "$2" || return
  script=$(sed -n '/^  script:$/{n;s/^    - //p;q}' docs/gates/gitlab-ci.yml)
  [[ $script == './cce-backup-watch backup '* ]] || { printf 'no command: %s\n' "$script"; return 1; }
  in_pipeline env --chdir "$CBW_BIN_DIR" bash -e -c "$script" || code=$?
  ((code == $3)) && started "$4"
}
newer_than() { # SITUATION CODE
  local code=0
  cloud_is "$1" || return
  in_pipeline "$CBW_BIN_DIR/cce-backup-watch" tasks --newer-than 2h || code=$?
  ((code == $2)) && started 0
}

# --- A gate that asks the resource ---------------------------------------------------------------------

watch_gate() { # SITUATION CODE TIMEOUT [WORDS]
  local code=0
  if [[ $1 != - ]]; then
    # A new watch, because an existing one would rightly keep what it saw in an earlier situation.
    cloud_is "$1" && kubectl delete clusterbackupwatches --all --namespace "$namespace" && applies || return
  fi
  kubectl cbw poll "$namespace/prod" --newer-than 2h --timeout "$3" >"$scratch/said" 2>&1 || code=$?
  cat "$scratch/said"
  ((code == $2)) || { printf 'exit code %s, not %s\n' "$code" "$2"; return 1; }
  grep --quiet --fixed-strings -- "${4-}" "$scratch/said" || { printf 'it does not say: %s\n' "$4"; return 1; }
}
# The gate that has just passed, while the cloud answers with nothing but this fault.
watch_gate_without_answers() { # FAULT
  admin PUT "clusters/$cluster/fault" "$1" && watch_gate - 3 15s 'the cloud did not answer within 15s'
}
# Whatever is no duration or name must be neither a verdict nor a time-out. No API server is asked.
refuses_usage() {
  local words code
  while read -ra words; do
    code=0
    KUBECONFIG=/dev/null kubectl-cbw poll "${words[@]}" || code=$?
    ((code == 2)) || { printf '%s: exit code %s, not 2\n' "${words[*]}" "$code"; return 1; }
  done <<END

/prod
$namespace/
$namespace/prod/x
$namespace/Prod
$namespace/prod more
$namespace/prod --newer-than 0h
$namespace/prod --newer-than 2
$namespace/prod --newer-than 99999999999999999999h
$namespace/prod --timeout 0s
END
}
# An API server that takes connections and never answers.
ends_without_an_answer() {
  local code=0 port
  port=$(free_port)
  # The kernel takes the connections of a socket that listens, without anybody who accepts them.
  python3 -c "import socket, time
with socket.create_server(('127.0.0.1', $port)): time.sleep(60)" &
  children+=($!)
  await 10 bash -c "exec 9<>/dev/tcp/127.0.0.1/$port" || return
  sed -E "s#server: .*#server: https://127.0.0.1:$port#" "$KUBECONFIG" >"$scratch/silent.kubeconfig"
  KUBECONFIG=$scratch/silent.kubeconfig timeout 40 kubectl-cbw poll "$namespace/prod" --timeout 5s || code=$?
  ((code == 3)) || { printf 'exit code %s, not 3\n' "$code"; return 1; }
}
operator_starts() {
  "$CBW_BIN_DIR/cce-backup-watch" controller --watch-namespace "$namespace" --listen 127.0.0.1:0 --log-format text \
    --region-endpoint "$region=$cloud" >/dev/null 2>"$scratch/operator.log" </dev/null &
  # A check runs in a subshell, so the id is kept in a file.
  printf '%s' $! >"$scratch/operator.pid"
  await 30 grep -q started "$scratch/operator.log"
}
operator_ends() {
  [[ ! -r $scratch/operator.pid ]] || kill "$(<"$scratch/operator.pid")" 2>/dev/null
  rm -f -- "$scratch/operator.pid"
}
is_healthy() { kubectl wait clusterbackupwatch/prod --namespace "$namespace" --for=condition=BackupHealthy --timeout=30s; }

discover() {
  in_pipeline env --unset=CBW_CLUSTER_ID "$CBW_BIN_DIR/cce-backup-watch" discover --namespace "$namespace" --secret-name huawei "$@"
}
applies() { discover | kubectl apply --server-side --validate=strict --filename -; }
nothing_to_do() { [[ -z $(discover --existing cluster 2>&1) ]] && discover --existing cluster; }
one_is_gone() {
  admin PUT "projects/$project/clusters" "[{\"uid\": \"$cluster\", \"name\": \"prod\"}]" && ! discover --existing cluster 2>"$scratch/said" &&
    grep 'the watch platform/staging names the cluster' "$scratch/said"
}
applies_odd_names() {
  local names=(yes null 1e10 0777 0x1f 'UPPER case' -x- "$(printf 'a%.0s' {1..100})" yes) json='[]' i
  for i in "${!names[@]}"; do
    json=$(jq --compact-output --arg name "${names[i]}" --arg uid "$(printf '%08d' "$i")-2222-3333-4444-555555555555" \
      '. + [{uid: $uid, name: $name, alias: $name, version: "1.30"}]' <<<"$json")
  done
  admin PUT "projects/$project/clusters" "$json" && applies && nothing_to_do
}

# --- In order ------------------------------------------------------------------------------------------

kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted >/dev/null
for name in huawei huawei-backup; do
  kubectl create secret generic "$name" --namespace "$namespace" --from-literal=accessKey=AK --from-literal=secretKey=SK >/dev/null
done
await 30 kubectl get serviceaccount default --namespace "$namespace"

section 'Backups on a schedule, as the chart renders them'
check 'the API server takes the CronJob' cron_applies
cloud_is none >/dev/null
check 'a run starts a backup and sees it through' cron_runs first Complete 1
check 'a run soon after starts none' cron_runs second Complete 1
check 'a backup that fails is not followed by another' cron_run_fails third
check 'nor is a request that the cloud refuses' cron_run_fails fourth "$refuses"
check 'nor is one of which nobody knows whether it started a backup' cron_run_fails fifth "$unclear"
check 'one whose pod never starts ends' cron_run_ends
kubectl delete jobs --all --namespace "$namespace" --wait >/dev/null

for file in job argocd-presync flux-job; do
  section "The gate docs/gates/$file.yaml"
  check 'no backup at all: one is started' gate_job "docs/gates/$file.yaml" none Success Complete 1
  check 'a stale success: one is started' gate_job "docs/gates/$file.yaml" stale Success Complete 1
  check 'a running backup: it is followed' gate_job "docs/gates/$file.yaml" running Success Complete 0
  check 'a failed one: another is started' gate_job "docs/gates/$file.yaml" failed Success Complete 1
  check 'a fresh success: it is enough' gate_job "docs/gates/$file.yaml" fresh Success Complete 0
  check 'one that fails lets nobody through, and is not followed by another' gate_job "docs/gates/$file.yaml" stale Failed Failed 1
  check 'nor does a request that the cloud refuses' gate_job_without_answer "docs/gates/$file.yaml" "$refuses"
  check 'nor does one of which nobody knows whether it started a backup' gate_job_without_answer "docs/gates/$file.yaml" "$unclear"
  check 'after a pod that was killed another follows its backup' gate_job_killed "docs/gates/$file.yaml"
  check 'one whose pod never starts ends, and lets nobody through' gate_job_ends "docs/gates/$file.yaml"
done
check 'the commands of job.yaml let the upgrade begin' commented_wait Success 0
check 'and end with a Job that fails' commented_wait Failed 1
kubectl delete jobs --all --namespace "$namespace" --wait >/dev/null

section 'Pipelines'
check 'the GitHub workflow is sound' actionlint -no-color docs/gates/github.yaml
for gate in github gitlab; do
  check "$gate, a stale success: one is started" "$gate" stale Success 0 1
  check "$gate, a running backup: it is followed" "$gate" running Success 0 0
  check "$gate, a fresh success: it is enough" "$gate" fresh Success 0 0
  check "$gate, one that fails lets nobody through" "$gate" none Failed 1 1
done
for situation in none stale endless failed; do
  check "tasks --newer-than, $situation: 1" newer_than "$situation" 1
done
check 'tasks --newer-than, fresh: 0' newer_than fresh 0

section 'Watches from the list of clusters'
kubectl apply --server-side --filename crds/clusterbackupwatches.yaml >/dev/null
kubectl wait --for=condition=Established crd/clusterbackupwatches.cce.backupwatch.io --timeout=30s >/dev/null
cloud_is fresh >/dev/null
check 'discover | kubectl apply' applies
check 'then nothing is missing' nothing_to_do
check 'the same again changes nothing' applies

section 'A gate that asks the operator'
mkdir -p "$scratch/plugins"
ln -s "$CBW_BIN_DIR/cce-backup-watch" "$scratch/plugins/kubectl-cbw"
PATH=$scratch/plugins:$PATH
check 'what is no name or duration is bad usage' refuses_usage
check 'an API server that never answers: it ends' ends_without_an_answer
check 'the operator starts' operator_starts
check 'and finds a good backup' is_healthy
check 'a fresh success: it passes' watch_gate fresh 0 60s
check 'a stale success: it does not' watch_gate stale 1 60s 'no backup succeeded within the last 2h'
check 'a backup that runs: it waits for its end' watch_gate running 0 60s
check 'one that never ends: it does not pass' watch_gate endless 1 30s 'running: 40 %'
check 'a failed one: 1' watch_gate failed 1 60s 'bad: BackupFailed'
check 'a fresh one again' watch_gate fresh 0 60s
check 'whose condition is True' is_healthy
operator_ends
check 'without an operator, with the condition still True: it does not, and says so' watch_gate - 3 10s 'no operator answered within 10s'
check 'the operator starts again' operator_starts
for fault in '{"kind": "status", "status": 503}' '{"kind": "status", "status": 429, "headers": {"Retry-After": "60"}}'; do
  check 'a fresh success: it passes' watch_gate fresh 0 60s
  check "it does not when the poll ends in $fault" watch_gate_without_answers "$fault"
  admin DELETE "clusters/$cluster/fault"
done
operator_ends

section 'Clusters come and go'
check 'a cluster that is gone is named' one_is_gone
kubectl delete clusterbackupwatches --all --namespace "$namespace" >/dev/null
check 'whatever clusters are called, the API server takes their watches' applies_odd_names

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
