#!/usr/bin/env bash
#
# Runs the demo: the list of clusters becomes watches, a backup is started, `kubectl get clusterbackupwatch` shows it run from
# 0 to 100 %, and another cluster is being upgraded without a backup.
#
#   hack/demo/run.sh                   on a control plane of its own, gone afterwards
#   KEEP=1 hack/demo/run.sh            the same, left running until Ctrl-C
#   CLUSTER=current hack/demo/run.sh   on the cluster of your KUBECONFIG, in the namespace backup-demo
#
# The cloud is the simulator of this repository, with real signed requests over HTTP; the operator runs on this machine.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
readonly namespace=backup-demo
cd "$root"
# shellcheck source=hack/simulator.sh
source hack/simulator.sh

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }

if [[ ${1:-} != inside ]]; then
  build=(build_binaries cce-backup-watch cce-simulator)
  if [[ ${CLUSTER:-} == current ]]; then
    "${build[@]}"
    exec "${BASH_SOURCE[0]}" inside
  fi
  # The first time both take minutes, and each leaves a processor idle at times.
  hack/control-plane/provision.sh etcd kube-apiserver kubectl >/dev/null &
  servers=$!
  trap 'kill "$servers" 2>/dev/null || true' EXIT
  "${build[@]}"
  wait "$servers"
  trap - EXIT
  exec hack/control-plane/run.sh --without-helm -- "${BASH_SOURCE[0]}" inside
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/cce-demo.XXXXXX")
readonly work
children=()
created=()
clean_up() {
  status=$?
  trap '' INT TERM
  # bash reports a kubectl watch that is killed; the report is discarded.
  exec 2>"$work/clean-up"
  # A signal, such as that of Ctrl-C, is an expected end and no failure.
  ((status < 130)) || status=0
  ((status == 0)) || cat "$work"/*.log
  if [[ ${CLUSTER:-} == current ]]; then
    kubectl delete namespace "$namespace" --wait=false >/dev/null || true
    ((${#created[@]} == 0)) || kubectl delete "${created[@]}" --wait=false >/dev/null || true
  fi
  kill "${children[@]}" 2>/dev/null || true
  wait || true
  rm -rf -- "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "A CCE endpoint that checks signatures, and a cluster with the resource"
start_simulator hack/demo/scenario.yaml DEMO

kubectl get crd clusterbackupwatches.cce.backupwatch.io >/dev/null 2>&1 ||
  created+=(crd/clusterbackupwatches.cce.backupwatch.io)
show kubectl apply --kustomize crds
show kubectl create namespace "$namespace"
kubectl --namespace "$namespace" create secret generic huawei \
  --from-literal=accessKey="$access_key" --from-literal=secretKey="$secret_key"

say "The operator"
"$CBW_BIN_DIR/cce-backup-watch" controller --watch-namespace "$namespace" --listen 127.0.0.1:0 --log-format text \
  --region-endpoint "cn-north-4=$cloud" >/dev/null 2>"$work/operator.log" &
children+=($!)
await 30 grep -q started "$work/operator.log"
echo "it reads with the key of the Secret, and can start nothing"

# The commands below use the caller's own key, from the environment.
export HUAWEICLOUD_SDK_AK=$access_key HUAWEICLOUD_SDK_SK=$secret_key
export CBW_REGION=cn-north-4 CBW_PROJECT_ID=0123456789abcdef0123456789abcdef CBW_REGION_ENDPOINT="cn-north-4=$cloud"
PATH=$CBW_BIN_DIR:$PATH

say "The list of clusters becomes watches"
printf '$ cce-backup-watch discover --template hack/demo/common.yaml | kubectl apply --filename -\n'
cce-backup-watch discover --template hack/demo/common.yaml | kubectl apply --filename -
kubectl --namespace "$namespace" wait clusterbackupwatch --all --for=condition=Ready --timeout=30s >/dev/null

say "What is watched now"
show cce-backup-watch discover --output table

say "The last backup of prod is too old, so another is started"
export CBW_CLUSTER_ID=11111111-2222-3333-4444-555555555555
# stdout is discarded, because the watch shows the same next; stderr goes to the output of the demo.
printf '$ cce-backup-watch backup --if-older-than 24h --no-wait >/dev/null\n'
# shellcheck disable=SC2069
cce-backup-watch backup --if-older-than 24h --no-wait --interval 1s 2>&1 >/dev/null

say "The watch follows it"
printf '$ kubectl get clusterbackupwatch --watch\n'
kubectl --namespace "$namespace" get clusterbackupwatch --watch &
watcher=$!
children+=("$watcher")
# Before this backup ends, the condition is False, because the last success is too old.
kubectl --namespace "$namespace" wait clusterbackupwatch/prod --for=condition=BackupHealthy --timeout=90s >/dev/null
{ kill "$watcher" && wait "$watcher"; } 2>/dev/null || true

say "What it reported"
show kubectl --namespace "$namespace" get events --sort-by=.metadata.creationTimestamp \
  --output 'custom-columns=TYPE:.type,REASON:.reason,WATCH:.involvedObject.name,NOTE:.message'

say "What staging says, whose last backup failed and that is being upgraded"
printf '$ kubectl get clusterbackupwatch staging --output jsonpath=…\n'
kubectl --namespace "$namespace" get clusterbackupwatch staging \
  --output jsonpath='{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}'

say "Next"
if [[ -n ${KEEP:-} ]]; then
  cat <<END
Everything is running. In another terminal:

  export KUBECONFIG=$KUBECONFIG
  kubectl --namespace $namespace get clusterbackupwatch --watch
  kubectl --namespace $namespace describe clusterbackupwatch prod
  kubectl explain clusterbackupwatch.status
  export CBW_REGION=$CBW_REGION CBW_PROJECT_ID=$CBW_PROJECT_ID CBW_REGION_ENDPOINT=$CBW_REGION_ENDPOINT
  export CBW_CLUSTER_ID=$CBW_CLUSTER_ID CBW_SECRET=$namespace/huawei
  $CBW_BIN_DIR/cce-backup-watch backup    # another backup

Ctrl-C ends it all.
END
  wait
else
  cat <<END
  make demo KEEP=1             leaves it running, for a look around
  make demo CLUSTER=current    does the same on the cluster of your KUBECONFIG
  README.md, "Quick start"     watches a real CCE cluster
END
fi
