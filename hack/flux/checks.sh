# shellcheck shell=bash
#
# For hack/test-flux.sh: the content of the Git repository, and the conditions that the checks test.

# Writes the operator's two resources as they are documented; only addresses are those of this machine.
release_manifests() {
  example OCIRepository cce-backup-watch | jq --arg registry "$registry" '
    .spec.url |= sub("ghcr.io/cce-backup-watch"; $registry) | .spec.insecure = true' >"$git_dir/operators/source.yaml" &&
    example HelmRelease cce-backup-watch | jq --arg cloud "$cloud" --arg region "$region" --argjson port "$operator_port" '
      .spec.values += {listen: {address: "127.0.0.1", port: $port}, cloud: {regionEndpoints: {($region): $cloud}}}' \
      >"$git_dir/operators/release.yaml"
}

# Prints the Kustomization "operators", which the documentation names without showing it, and the repository that both
# Kustomizations use.
sources() {
  cat <<'EOF'
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec:
  interval: 1h
  url: https://git.example.com/fleet.git
  ref: {branch: main}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: operators, namespace: flux-system}
spec:
  interval: 10m
  retryInterval: 30s
  path: ./operators
  prune: true
  wait: true
  timeout: 5m
  sourceRef: {kind: GitRepository, name: flux-system}
EOF
}

commit_watch() { a_watch "$@" >"$git_dir/backup-watches/$1.yaml" && publish_git "the watch $1"; }  # NAME CLUSTER SECRET
drop_watch() { rm -- "$git_dir/backup-watches/$1.yaml" && publish_git "no watch $1"; }                # NAME
of_watch() { kubectl get clusterbackupwatch "$1" --namespace platform --output jsonpath="{$2}"; }     # NAME PATH
has_no_watch() { is_absent "clusterbackupwatch/$1" platform; }
# kubectl get must succeed with no output, so that an API server that does not answer does not look like an absent object.
is_absent() { # RESOURCE NAMESPACE
  local name
  name=$(kubectl get "$1" --namespace "$2" --ignore-not-found --output name) && [[ -z $name ]]
}
is_owned_by() { [[ $(of_watch "$1" '.metadata.labels.kustomize\.toolkit\.fluxcd\.io/name') == "$2" ]]; }
remember() { of_watch "$1" .metadata.uid >"$scratch/uid-$1"; }
is_the_same() { [[ -s $scratch/uid-$1 && $(of_watch "$1" .metadata.uid) == "$(<"$scratch/uid-$1")" ]]; }
is_another() {
  local uid
  uid=$(of_watch "$1" .metadata.uid) && [[ $uid != "$(<"$scratch/uid-$1")" ]]
}

# Creates the watch prod again in a situation, because the old one would rightly keep what it saw in an earlier situation.
anew() { # SITUATION CONDITION=STATUS [REASON]
  cloud_is "$1" && kubectl delete clusterbackupwatch prod --namespace platform && reconcile kustomization/backup-watches && watch_is prod "${@:2}"
}

applies() { # NAME [FILTER]: a Kustomization of docs/gitops.md
  example Kustomization "$1" | jq "${2:-.}" >"$scratch/kustomization.json" &&
    kubectl apply --server-side --validate=strict --filename "$scratch/kustomization.json"
}
is_held_back() { await 30 depends_on backup-watches operators && has_no_watch prod; }
depends_on() { says "kustomization/$1" | grep "dependency 'flux-system/$2' is not ready"; }
knows_monitors() {
  local name
  for name in servicemonitor:ServiceMonitor prometheusrule:PrometheusRule; do
    kubectl apply --filename - <<EOF || return
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${name%:*}s.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: ${name#*:}, plural: ${name%:*}s, singular: ${name%:*}}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
EOF
    is_established "${name%:*}s.monitoring.coreos.com" || return
  done
}
release_has_failed() { [[ $(says helmrelease/cce-backup-watch) == "False "*"$1"* ]]; } # WORDS
release_fails() { await 30 release_has_failed "$1" || { says helmrelease/cce-backup-watch; return 1; }; }
crd_belongs_to_release() {
  local annotations
  annotations=$(kubectl get crd "$crd" --output jsonpath='{.metadata.annotations}')
  printf '%s\n' "$annotations"
  [[ $(jq --raw-output '."meta.helm.sh/release-name" // "none"' <<<"${annotations:-{\}}") == "$1" ]]
}

# Publishes a chart whose CRD has one more column.
upgrades() {
  cp -R -- "$chart" "$scratch/changed" &&
    sed -i 's/^\( *\)- description: The CCE cluster that is watched\.$/\1- {name: Changed, type: string, jsonPath: .spec.region}\n&/' \
      "$scratch/changed/files/crd.yaml" && push_chart "$scratch/changed" "$next_version" && publish_chart
}
crd_is_new() { kubectl get crd "$crd" --output jsonpath='{.spec.versions[0].additionalPrinterColumns[*].name}' | grep -w Changed; }
release_is_at() { kubectl get helmrelease cce-backup-watch --namespace flux-system --output jsonpath='{.status.history[0].chartVersion}' | grep "^$1"; }

# Runs a documented command in the namespace of the watch, and waits until the operator has echoed the request.
poll_command() { # LINE
  sed -n '/^### Poll now$/,/^## /s/^kubectl annotate .*/&/p' docs/gitops.md | sed -n "$1p" >"$scratch/command" && [[ -s $scratch/command ]] || return
  cp -- "$KUBECONFIG" "$scratch/platform.kubeconfig" &&
    kubectl --kubeconfig "$scratch/platform.kubeconfig" config set-context --current --namespace platform &&
    KUBECONFIG=$scratch/platform.kubeconfig bash "$scratch/command" || return
  requested prod >"$scratch/requested" && await 30 is_handled
}
requested() { of_watch "$1" '.metadata.annotations.cce\.backupwatch\.io/requestedAt' | grep .; }
is_not_requested() {
  local value
  value=$(of_watch "$1" '.metadata.annotations.cce\.backupwatch\.io/requestedAt') && [[ -z $value ]]
}
is_handled() { [[ -s $scratch/requested && $(of_watch prod .status.lastHandledReconcileAt) == "$(<"$scratch/requested")" ]]; }

late_secret_heals() {
  kubectl create secret generic late --namespace platform --from-literal=accessKey=AK --from-literal=secretKey=SK || return
  watch_is late Ready=True && watch_is neglected Ready=True && comes_to backup-watches True . 120
}
is_still_failed() { says "kustomization/$1" | tee /dev/stderr | grep '^False'; }

gate_says() { # True|False
  reconcile kustomization/backups-are-good && says kustomization/backups-are-good | tee /dev/stderr | grep "^$1"
}
gate_still_says() { says kustomization/backups-are-good | tee /dev/stderr | grep "^$1"; }
gate_waits() {
  local request
  request=$(date +%s.%N)
  kubectl annotate kustomization/backups-are-good --namespace flux-system --overwrite "reconcile.fluxcd.io/requestedAt=$request" || return
  # The time-out is longer than the five seconds between two health checks of Flux.
  ! kubectl wait kustomization/backups-are-good --namespace flux-system --for=jsonpath='{.status.lastHandledReconcileAt}'="$request" --timeout=12s &&
    says kustomization/backups-are-good | tee /dev/stderr | grep '^Unknown'
}
has_upgraded() { kubectl get configmap upgrade --namespace platform; }
has_not_upgraded() { is_absent configmap/upgrade platform; }
upgrade_waits_for_gate() {
  mkdir -p "$git_dir/upgrade" &&
    kubectl create configmap upgrade --namespace platform --dry-run=client --output yaml >"$git_dir/upgrade/upgrade.yaml" &&
    publish_git 'an upgrade' && applies backup-watches '.metadata.name = "upgrade" | .spec.path = "./upgrade" | .spec.dependsOn = [{name: "backups-are-good"}]' &&
    await 30 depends_on upgrade backups-are-good && has_not_upgraded
}

deleted() { kubectl delete "$1" --namespace flux-system --timeout=60s; }
twin_takes_turns() {
  applies backup-watches '.metadata.name = "twin"' && comes_to twin True && is_owned_by prod twin &&
    reconcile kustomization/backup-watches && is_owned_by prod backup-watches && reconcile kustomization/twin && is_owned_by prod twin
}

change_cluster() { # CLUSTER: of prod, and another watch in the same commit
  a_watch prod "$1" huawei >"$git_dir/backup-watches/prod.yaml" && commit_watch other "$staging" huawei
}
is_refused() { comes_to backup-watches False 'dry-run failed.*is immutable' && has_no_watch other && [[ $(of_watch prod .spec.clusterID) == "$prod" ]]; }
force() { kubectl patch kustomization backup-watches --namespace flux-system --type=merge --patch "{\"spec\": {\"force\": $1}}"; }
remembers_failure() { of_watch prod .status.lastFailure.uid | grep .; }
remembers_no_failure() {
  local uid
  uid=$(of_watch prod .status.lastFailure.uid) && [[ -z $uid ]]
}

# Applies the two files of docs/gates for Flux: the Kustomizations, and the Job in the directory ./backup.
gate_of_job() { # NAME
  mkdir -p "$git_dir/backup" && sed "s/^  name: backup-before-.*/  name: $1/" docs/gates/flux-job.yaml >"$git_dir/backup/job.yaml" &&
    kubectl apply --server-side --validate=strict --filename docs/gates/flux.yaml && publish_git "the Job $1" &&
    await 30 pod_of_job "$1" && await 30 depends_on upgrade backup
}
pod_of_job() { # JOB
  kubectl get pods --namespace platform --selector "batch.kubernetes.io/job-name=$1" --output name | grep .
}
# Reports the end of the Job's pod as a kubelet would. The command does not run here; tests/gates runs it.
job_ends() { # JOB PHASE CODE
  kubectl patch "$(pod_of_job "$1")" --namespace platform --subresource=status --type=merge --patch "{\"status\": {\"phase\": \"$2\",
    \"containerStatuses\": [{\"name\": \"backup\", \"image\": \"x\", \"imageID\": \"x\", \"ready\": false, \"restartCount\": 0,
      \"state\": {\"terminated\": {\"exitCode\": $3}}}]}}"
}

uninstalls() {
  mkdir -p "$scratch/operators" && mv -- "$git_dir"/operators/*.yaml "$scratch/operators" && printf 'resources: []\n' >"$git_dir/operators/kustomization.yaml" &&
    publish_git 'no operator' && comes_to operators True &&
    kubectl wait helmrelease/cce-backup-watch --namespace flux-system --for=delete --timeout=60s &&
    is_absent deployment/cce-backup-watch cce-backup-watch
}
installs_again() {
  rm -- "$git_dir/operators/kustomization.yaml" && mv -- "$scratch"/operators/*.yaml "$git_dir/operators" && publish_git 'the operator again' &&
    await 30 kubectl get ocirepository cce-backup-watch --namespace flux-system && publish_chart && operator_starts
}
