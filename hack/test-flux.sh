#!/usr/bin/env bash
#
# Tests what docs/gitops.md says about Flux, with Flux' own kustomize-controller and helm-controller, on a real API server with the
# controllers of Kubernetes, the operator and a simulated cloud. The manifests are those of the documentation.
#
#   test-flux.sh
#
# The first run builds the controllers, which takes some minutes; it needs Go and the module proxy. The exit code is 2 and the reason
# is said where that cannot be done. CBW_BIN_DIR may name a directory with cce-backup-watch and cce-simulator; otherwise cargo builds
# them. The last line is "N passed, N failed".
#
# source-controller does not run: hack/flux/sources.sh does its part. Flux' own controllers apply the watches and install the chart.
#
# Functions that only "check" calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
readonly root chart=charts/cce-backup-watch crd=clusterbackupwatches.cce.backupwatch.io

# shellcheck source=hack/check.sh
source hack/check.sh
section() { printf '\n%s\n' "$*"; }
cannot() { printf 'test-flux.sh: this machine cannot run it: %s\n' "$*" >&2; exit 2; }

for tool in curl jq git go; do
  command -v "$tool" >/dev/null || cannot "$tool is not on PATH"
done
if [[ ${1-} != --inside ]]; then
  build_binaries cce-backup-watch cce-simulator || exit 2
  bin=$(hack/control-plane/provision.sh etcd kube-apiserver kube-controller-manager kubectl helm kustomize-controller helm-controller registry) ||
    cannot 'its programs could not be built'
  PATH=$bin:$PATH exec hack/control-plane/run.sh --with-controller-manager -- "$root/hack/test-flux.sh" --inside
fi

scratch=$(mktemp -d)
children=()
clean_up() {
  local file
  for file in "$scratch"/*.pid; do end "$(basename "$file" .pid)"; done
  ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null
  rm -rf -- "$scratch"
}
trap clean_up EXIT

# shellcheck source=hack/flux/sources.sh
source hack/flux/sources.sh
# shellcheck source=hack/flux/controllers.sh
source hack/flux/controllers.sh
# shellcheck source=hack/flux/operator.sh
source hack/flux/operator.sh
# shellcheck source=hack/flux/checks.sh
source hack/flux/checks.sh

# --- In order ------------------------------------------------------------------------------------------

# Runs a step that a later check needs. It is reported only if it fails.
given() { # WHAT COMMAND...
  local line counted=$failed
  line=$(check "$@")
  [[ $line != FAILED* ]] || { failed=$((counted + 1)); printf '%s\n' "$line"; }
}

operator_port=$(free_port)
# Both are of the series that docs/gitops.md follows; a prerelease would not be.
chart_version=$(hack/version.sh)
chart_version=${chart_version%%-*}
next_version=${chart_version%.*}.$((${chart_version##*.} + 1))
registry_starts || exit 2
cloud_starts || exit 2
cloud_is fresh >/dev/null || exit 2
for namespace in flux-system platform; do kubectl create namespace "$namespace" >/dev/null || exit 2; done
kubectl create secret generic huawei --namespace platform --from-literal=accessKey=AK --from-literal=secretKey=SK >/dev/null
kubectl create secret generic wrong --namespace platform --from-literal=accessKey=AK --from-literal=secretKey=WRONG >/dev/null
mkdir -p "$git_dir"/{operators,backup-watches,backup-gate,neglected}
git init --quiet --initial-branch main "$git_dir"
git -C "$git_dir" config user.name test-flux
git -C "$git_dir" config user.email test-flux@example.com

section 'Flux'
definitions_serve >"$scratch/definitions.log" 2>&1 || { cat "$scratch/definitions.log" >&2; cannot "the definitions of Flux' resources could not be installed"; }
check 'kustomize-controller starts' controller_starts kustomize-controller
check 'helm-controller starts' controller_starts helm-controller

section 'The operator, from an OCI registry'
kubectl apply --server-side --filename crds/clusterbackupwatches.yaml >/dev/null
given 'the CRD is there and belongs to no release' crd_belongs_to_release none
given 'the chart is pushed' push_chart "$chart" "$chart_version"
given 'docs/gitops.md has an OCIRepository and a HelmRelease' release_manifests
a_watch prod "$prod" huawei >"$git_dir/backup-watches/prod.yaml"
printf 'resources: []\n' >"$git_dir/backup-gate/kustomization.yaml"
sources | kubectl apply --server-side --validate=strict --filename - >/dev/null
check 'the API server takes the documented Kustomization of the watches' applies backup-watches
given 'the repository is published' publish_git 'the operator and its watches'
check 'Flux applies the documented OCIRepository and HelmRelease' await 30 kubectl get ocirepository cce-backup-watch --namespace flux-system
check 'the layer that the OCIRepository selects is the chart' publish_chart
check 'alwaysRender fails the release while there is no Prometheus Operator' release_fails 'no matches for kind "ServiceMonitor"'
check 'the Kustomization of the watches waits for the operator' is_held_back
given 'the definitions of the Prometheus Operator are installed' knows_monitors
check 'the release is then tried again by itself, and its operator starts' operator_starts
check 'the HelmRelease becomes Ready' is_ready helmrelease/cce-backup-watch
check 'the CRD that was there now belongs to the release' crd_belongs_to_release cce-backup-watch
check 'the Kustomization that applies the HelmRelease becomes ready' is_ready kustomization/operators
given 'a chart with a changed CRD is published' upgrades
check 'a new version of the chart is installed' await 30 release_is_at "$next_version"
check 'and brings its CRD' crd_is_new
check 'the HelmRelease is Ready' is_ready helmrelease/cce-backup-watch

section 'The watches'
check 'the Kustomization becomes ready' comes_to backup-watches True
check 'when its watch is Ready' watch_is prod Ready=True Polled
check 'ten reconciles of an unchanged release write nothing' writes_nothing 10 false helmrelease/cce-backup-watch
check 'twenty reconciles of unchanged watches ask the API server and write nothing' writes_nothing 20 true kustomization/backup-watches
cloud_is failed >/dev/null
given 'a failed backup is polled' poll prod
given 'the watch says BackupFailed' watch_is prod BackupHealthy=False BackupFailed
given 'the Kustomization is reconciled' reconcile kustomization/backup-watches
check 'a failed backup leaves the Kustomization ready' comes_to backup-watches True
given 'a watch with a wrong key is published' commit_watch refused "$prod" wrong
check 'a wrong key fails the Kustomization early, and not by a time-out' comes_to backup-watches False 'failed early due to stalled resources.*platform/refused'
check 'since the watch is Stalled' watch_is refused Stalled=True AuthenticationFailed
given 'the watch is taken out of Git' drop_watch refused
check 'the Kustomization is ready again without that watch' comes_to backup-watches True
check 'which is pruned' has_no_watch refused

section 'A Secret that comes late'
a_watch neglected "$prod" late >"$git_dir/neglected/watch.yaml"
given 'a watch without its Secret is published' commit_watch late "$prod" late
check 'a missing Secret fails the Kustomization' comes_to backup-watches False 'platform/late'
given 'there is another Kustomization without retryInterval' applies backup-watches \
  'del(.spec.retryInterval) | .metadata.name = "neglected" | .spec.path = "./neglected"'
check 'a missing Secret fails one without retryInterval' comes_to neglected False 'platform/neglected'
check 'when the Secret is there, both watches and the Kustomization with retryInterval heal' late_secret_heals
check 'the one without retryInterval is still failed' is_still_failed neglected
kubectl delete kustomization neglected --namespace flux-system >/dev/null
given 'the late watch is taken out of Git' drop_watch late
given 'the Kustomization is ready' comes_to backup-watches True

section 'Poll now'
check 'the documented command polls' poll_command 1
given 'the Kustomization is reconciled' reconcile kustomization/backup-watches
check 'the next reconcile takes the annotation away' is_not_requested prod
check 'what the operator has echoed stays' is_handled
check 'the documented command with --field-manager polls' poll_command 2
given 'the Kustomization is reconciled' reconcile kustomization/backup-watches
check 'the next reconcile leaves that annotation' requested prod

section 'A bad backup blocks'
given 'the watch knows of no backup' anew none Ready=True
# The test requests each reconcile, and long intervals keep Flux from reconciling at other times.
check 'the API server takes the documented gate' applies backups-are-good '.spec.interval = "1h"'
check 'while there is no backup the gate waits' gate_waits
check 'what depends on the gate waits as well' upgrade_waits_for_gate
cloud_is fresh >/dev/null
given 'a backup succeeds' watch_is prod BackupHealthy=True BackupSucceeded
check 'a success lets the waiting gate pass' is_ready kustomization/backups-are-good
check 'what depends on the gate is applied' await 30 has_upgraded
check 'watches and gate do not fight: two reconciles of each write nothing' writes_nothing 2 true \
  kustomization/backup-watches kustomization/backups-are-good
check 'the watch belongs to the Kustomization of the watches' is_owned_by prod backup-watches
cloud_is failed >/dev/null
given 'a failed backup is polled' poll prod
given 'the watch says BackupFailed' watch_is prod BackupHealthy=False BackupFailed
check 'between two reconciles the gate says what it said last' gate_still_says True
check 'with the next reconcile a failed backup blocks' gate_says False
given 'the last success is too old' anew stale BackupHealthy=False BackupStale
check 'a stale backup blocks' gate_says False
given 'there is a success' anew fresh BackupHealthy=True BackupSucceeded
check 'a fresh success passes' gate_says True
end operator
cloud_is failed >/dev/null
check 'without an operator the gate passes on what the status says, as documented' gate_says True
given 'the operator starts again' operator_starts
remember prod
check 'the gate can be deleted' deleted kustomization/backups-are-good
check 'and prunes nothing' is_the_same prod
given 'what depends on the gate is deleted' deleted kustomization/upgrade
given 'with what it had applied' has_not_upgraded
check 'two Kustomizations with one path take turns in owning the watch' twin_takes_turns
given 'one of them is deleted' deleted kustomization/twin
check 'and to delete one deletes the watch' has_no_watch prod

section 'A changed immutable field'
given 'the Kustomization makes the watch anew' reconcile kustomization/backup-watches
given 'the watch has a failure on record' watch_is prod BackupHealthy=False BackupFailed
remember prod
given 'another clusterID and another watch are published in one commit' change_cluster "$staging"
check 'the dry run fails with "is immutable", and nothing of the commit is applied' is_refused
given 'the change is taken back' change_cluster "$prod"
check 'taken back, the Kustomization is ready' comes_to backup-watches True
check 'with the same watch' is_the_same prod
check 'that has kept its record' remembers_failure
given 'the clusterID is changed again' change_cluster "$staging"
given 'the Kustomization fails' comes_to backup-watches False 'is immutable'
given 'force: true is set' force true
check 'with force: true the Kustomization becomes ready' comes_to backup-watches True
check 'with another watch' is_another prod
check 'that has lost its record' remembers_no_failure
force false >/dev/null

section 'The gate of docs/gates/flux.yaml'
kubectl create --filename - >/dev/null <<'EOF'
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: platform, namespace: flux-system}
spec: {interval: 1h, url: https://git.example.com/fleet.git, ref: {branch: main}}
EOF
check 'the upgrade waits for the Job' gate_of_job backup-before-v1-31
given 'the Job fails' job_ends backup-before-v1-31 Failed 2
check 'a failed Job fails its Kustomization' comes_to backup False 'platform/backup-before-v1-31'
check 'and the upgrade is not applied' has_not_upgraded
check 'under another name the Job is made again' gate_of_job backup-before-v1-32
check 'and the upgrade still waits' has_not_upgraded
given 'the Job succeeds' job_ends backup-before-v1-32 Succeeded 0
check 'a Job that succeeds makes its Kustomization ready' comes_to backup True
check 'and the upgrade is applied' await 30 has_upgraded

section 'What stays'
given 'a watch is taken out of Git' drop_watch other
given 'the Kustomization is ready' comes_to backup-watches True
check 'a watch that is no longer in Git is pruned' has_no_watch other
remember prod
check 'the operator that is taken out of Git is uninstalled' uninstalls
end operator
check 'the CRD is kept' is_established "$crd"
check 'and so is the watch' is_the_same prod
check 'the operator is installed again' installs_again
check 'the HelmRelease becomes Ready' is_ready helmrelease/cce-backup-watch
check 'with the watch that stayed' is_the_same prod

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
