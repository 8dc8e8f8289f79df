#!/usr/bin/env bash
#
# Tests everything around the binary that users install or run: the chart, the kustomize bases, alerts, dashboard, GitOps
# examples and workflows; and the operator with the token and the arguments of the chart. What a real API server says of the chart
# is shown by tests/chart.
#
#   test-chart.sh
#
# The tools are taken from hack/control-plane/provision.sh. CBW_BIN_DIR may name a directory with cce-backup-watch and
# cce-simulator; otherwise cargo builds them. The last line is "N passed, N failed".
#
# Functions that only "check" calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
readonly root chart=charts/cce-backup-watch crd=clusterbackupwatches.cce.backupwatch.io
readonly system=cce-backup-watch   # the namespace of the release, and its name

# shellcheck source=hack/check.sh
source hack/check.sh
section() { printf '\n%s\n' "$*"; }

scratch=$(mktemp -d)
# Processes are started in subshells, so their ids are kept in files.
end() { # NAME
  [[ ! -r $scratch/$1.pid ]] || kill "$(<"$scratch/$1.pid")" 2>/dev/null
  rm -f -- "$scratch/$1.pid"
}
clean_up() {
  local file
  for file in "$scratch"/*.pid; do end "$(basename "$file" .pid)"; done
  rm -rf -- "$scratch"
}
trap clean_up EXIT

# --- Without a control plane ---------------------------------------------------------------------------

rules_of() { # FILE...: the rules of a rendered PrometheusRule, as Prometheus reads them
  sed -n '/^spec:$/,$p' "$@" | sed -e 1d -e 's/^  //'
}

check_rendered_rules() { # VALUES
  helm template "$system" "$chart" --values "$1" --show-only templates/prometheusrule.yaml \
    --set prometheusRule.enabled=true --set prometheusRule.renderMode=alwaysRender >"$scratch/rule.yaml" &&
    rules_of "$scratch/rule.yaml" >"$scratch/rules.yaml" &&
    promtool check rules --lint=all --lint-fatal "$scratch/rules.yaml"
}

# An overlay that sets only "namespace:" must move everything of a base.
overlay_moves() { # BASE
  mkdir -p "$scratch/overlay/moved" && cp -R config crds "$scratch/overlay" &&
    printf 'namespace: elsewhere\nresources: [../config/%s]\n' "$1" >"$scratch/overlay/moved/kustomization.yaml" &&
    kubectl kustomize "$scratch/overlay/moved" >"$scratch/moved.yaml" && grep -q 'namespace: elsewhere$' "$scratch/moved.yaml" &&
    ! grep -n -A2 "namespace: $system\$\|namespaceSelector:\|\.$system\.svc" "$scratch/moved.yaml"
}

same_crd() { cmp -- "$chart/files/crd.yaml" crds/clusterbackupwatches.yaml; }

# Users install the packaged chart, so nothing in it may depend on files that .helmignore leaves out.
packaged() {
  helm package "$chart" --destination "$scratch" >/dev/null &&
    helm template "$system" "$scratch"/cce-backup-watch-*.tgz --set prometheusRule.enabled=true --set dashboard.enabled=true \
      --set prometheusRule.renderMode=alwaysRender >"$scratch/packaged.yaml" &&
    helm template "$system" "$chart" --set prometheusRule.enabled=true --set dashboard.enabled=true \
      --set prometheusRule.renderMode=alwaysRender | cmp - "$scratch/packaged.yaml" &&
    ! tar --list --file "$scratch"/cce-backup-watch-*.tgz | grep -E '/(ci|tests)/'
}

# A platform's chart that has this one as a dependency with a condition, as most of them do.
as_subchart() { # true|false
  local parent=$scratch/parent
  mkdir -p "$parent"
  cat >"$parent/Chart.yaml" <<EOF
apiVersion: v2
name: platform
version: 1.0.0
dependencies:
  - {name: cce-backup-watch, version: 0.x, repository: "file://$root/$chart", condition: cce-backup-watch.enabled}
EOF
  helm dependency update "$parent" >/dev/null || return
  helm template platform "$parent" --set "cce-backup-watch.enabled=$1" >"$scratch/subchart.yaml" &&
    [[ $(grep -c '^kind: Deployment$' "$scratch/subchart.yaml") == "$([[ $1 == true ]] && echo 1 || echo 0)" ]]
}

outside() {
  local file
  section 'The chart'
  for file in "$chart"/ci/*.yaml; do
    check "helm lint --strict, ${file##*/}" helm lint --strict "$chart" --values "$file"
  done
  check 'the unit tests of the templates' helm-unittest "$chart"
  check 'the package renders what the directory renders' packaged
  check "the CRD is that of crds/" same_crd
  check 'a chart that takes this one in can switch it on' as_subchart true
  check 'and off' as_subchart false
  check 'README.md and config/ are what the chart generates' hack/generate-config.sh --check
  for file in default namespaced monitoring; do
    check "an overlay moves config/$file to another namespace" overlay_moves "$file"
  done

  section 'Monitoring'
  check 'the alerts are sound' promtool check rules --lint=all --lint-fatal "$chart/files/alerts.yaml"
  check 'the alerts fire and are silent as they should' promtool test rules tests/monitoring/alerts_test.yaml
  for file in "$chart"/ci/*.yaml; do
    check "the rendered alerts are sound, ${file##*/}" check_rendered_rules "$file"
  done

  section 'What is shipped, read by the libraries of those who read it'
  # One line for each test, because each test is a promise of its own.
  local line whole=1
  while read -r line; do
    case $line in
      '=== ended with '*) whole=${line##* } ;;
      '--- PASS: '*) passed=$((passed + 1)); printf 'ok      %s\n' "${line#--- PASS: }" ;;
      '--- FAIL: '*) failed=$((failed + 1)); printf 'FAILED  %s\n' "${line#--- FAIL: }" ;;
      '=== '* | PASS | FAIL | '' ) ;;
      *) printf '        %s\n' "$line" ;;
    esac
  done < <(cd hack/checks && go test -count=1 -v ./... 2>&1 | grep -v '^ *--- PASS: .*/'; echo "=== ended with ${PIPESTATUS[0]}")
  check 'those tests as a whole' test "$whole" = 0

  section 'Workflows and scripts'
  check 'the workflows are sound' actionlint -no-color
  if command -v shellcheck >/dev/null; then
    check 'the scripts are sound' shellcheck --external-sources --check-sourced hack/*.sh hack/{demo,control-plane,node}/*.sh .ci/run
  fi
}

# --- On a control plane --------------------------------------------------------------------------------

install() { # COMMAND... : a release, without waiting for pods that nobody makes here
  helm "$@" --namespace "$system" --wait=false
}

a_watch() { # NAMESPACE NAME
  cat <<EOF
apiVersion: cce.backupwatch.io/v1alpha1
kind: ClusterBackupWatch
metadata: {name: $2, namespace: $1}
spec:
  region: cn-north-4
  projectID: 0123456789abcdef0123456789abcdef
  clusterID: 11111111-2222-3333-4444-555555555555
  interval: 10s
  activeInterval: 2s
  maxAge: 26h
  upgrades: Watch
  credentials: {secretRef: {name: huawei}}
EOF
}

# --- The operator with the permissions of the chart ----------------------------------------------------

operator_binaries() {
  if [[ -z ${CBW_BIN_DIR-} ]]; then
    cargo build --locked --quiet --workspace || return
    CBW_BIN_DIR=${CARGO_TARGET_DIR:-$root/target}/debug
  fi
  [[ -x $CBW_BIN_DIR/cce-backup-watch && -x $CBW_BIN_DIR/cce-simulator ]]
}

# Starts the operator as the pod of a release would: the rendered arguments, and the ServiceAccount's token.
run_operator() { # NAME RELEASE-NAMESPACE SIMULATOR-PORT VALUE...
  local name=$1 namespace=$2 simulator=$3 port token server arguments=()
  shift 3
  port=$(free_port)
  helm template "$name" "$chart" --namespace "$namespace" --show-only templates/deployment.yaml "$@" \
    --set listen.address=127.0.0.1 --set "listen.port=$port" --set "cloud.regionEndpoints.cn-north-4=http://127.0.0.1:$simulator" \
    >"$scratch/$name.yaml" || return
  mapfile -t arguments < <(kubectl create --dry-run=client --output json --filename "$scratch/$name.yaml" |
    jq --raw-output '.spec.template.spec.containers[0].args[]')
  token=$(kubectl create token "$name" --namespace "$namespace") || return
  server=$(kubectl config view --raw --output jsonpath='{.clusters[0].cluster.server}')
  kubectl config view --raw --output jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 --decode >"$scratch/ca.crt"
  kubectl --kubeconfig "$scratch/$name.kubeconfig" config set-cluster it --server "$server" \
    --certificate-authority "$scratch/ca.crt" --embed-certs >/dev/null &&
    kubectl --kubeconfig "$scratch/$name.kubeconfig" config set-credentials it --token "$token" >/dev/null &&
    kubectl --kubeconfig "$scratch/$name.kubeconfig" config set-context it --cluster it --user it >/dev/null &&
    kubectl --kubeconfig "$scratch/$name.kubeconfig" config use-context it >/dev/null || return
  KUBECONFIG=$scratch/$name.kubeconfig "$CBW_BIN_DIR/cce-backup-watch" "${arguments[@]}" >"$scratch/$name.log" 2>&1 </dev/null &
  printf '%s' $! >"$scratch/$name.pid"
  printf '%s' "$port" >"$scratch/$name.port"
}

reaches() { # NAMESPACE NAME CONDITION [SECONDS]
  kubectl wait "clusterbackupwatch/$2" --namespace "$1" --for="$3" --timeout="${4:-60}s" && return
  kubectl get clusterbackupwatch "$2" --namespace "$1" --output yaml
  tail -n 20 "$scratch"/*.log
  return 1
}
metrics_of() { # NAME
  local port
  port=$(<"$scratch/$1.port")
  exec 9<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&9 && sed '1,/^\r*$/d' <&9
  exec 9>&-
}
# Runs the pod of "helm test" without the name of the Service, because there is no DNS server here to resolve it.
probed() { # NAME
  local arguments=()
  mapfile -t arguments < <(helm template "$1" "$chart" --namespace "$system" --show-only templates/test.yaml |
    kubectl create --dry-run=client --output json --filename - | jq --raw-output '.spec.containers[0].args[]')
  [[ ${arguments[1]} == "http://$1.$system.svc:8080/readyz" ]] || { printf 'it asks %s\n' "${arguments[1]}"; return 1; }
  "$CBW_BIN_DIR/cce-backup-watch" "${arguments[0]}" "http://127.0.0.1:$(<"$scratch/$1.port")/readyz"
}
# Every metric that tests/monitoring/metrics.txt lists, once there is a watch with a successful backup. The metrics after the
# empty line in that file do not exist from the start.
exports_what_is_promised() { # NAME
  local metrics name missing=0
  metrics=$(metrics_of "$1") || return
  while read -r name _; do
    [[ -n $name ]] || break
    [[ $name != '#' ]] || continue
    grep -qE "^$name(_bucket|_count)?[ {]" <<<"$metrics" || { printf 'no %s\n' "$name"; missing=1; }
  done <tests/monitoring/metrics.txt
  return "$missing"
}
exports_nothing_else() { # NAME
  local name unknown=0
  while read -r name; do
    grep -qE "^$name( |$)" tests/monitoring/metrics.txt || { printf 'not in metrics.txt: %s\n' "$name"; unknown=1; }
  done < <(metrics_of "$1" | sed -n 's/^\(cce_backup_watch_[a-z_]*\).*/\1/p' | sed -E 's/_(bucket|count|sum)$//' | sort -u)
  return "$unknown"
}
nothing_forbidden() { # NAME: the operator's own requests were all allowed
  local user="system:serviceaccount:$2:$1"
  ! grep -F "\"username\":\"$user\"" "$CBW_AUDIT_LOG" | grep -F '"authorization.k8s.io/decision":"forbid"' | cut -c 1-600
}
events_of() { kubectl get events.events.k8s.io --namespace "$1" --output jsonpath='{range .items[*]}{.reason}{"\n"}{end}' | grep -x "$2"; }
lease_is_held() { [[ -n $(kubectl get lease "$1" --namespace "$2" --output jsonpath='{.spec.holderIdentity}') ]]; }

inside() {
  local name

  kubectl create namespace "$system" >/dev/null
  kubectl label namespace "$system" pod-security.kubernetes.io/enforce=restricted >/dev/null
  kubectl create namespace shop >/dev/null
  install install "$system" "$chart" >/dev/null
  # The definition may be there already when the next one renders it.
  kubectl wait --for=condition=Established "crd/$crd" --timeout=30s >/dev/null
  install install tenant "$chart" --set crds.enabled=false --set 'watch.namespaces={shop}' --set fullnameOverride=tenant >/dev/null
  install upgrade "$system" "$chart" --set 'rbac.secretNames={huawei}' --set leaderElection.enabled=true >/dev/null

  section 'The operator with the token and the arguments of the chart'
  if ! operator_binaries; then
    check 'cce-backup-watch and cce-simulator are there' false
    return
  fi
  local simulator
  simulator=$(free_port)
  "$CBW_BIN_DIR/cce-simulator" --listen "127.0.0.1:$simulator" --access-key AK --secret-key SK >"$scratch/simulator.log" 2>&1 </dev/null &
  printf '%s' $! >"$scratch/simulator.pid"
  for name in shop default; do
    kubectl create secret generic huawei --namespace "$name" --from-literal=accessKey=AK --from-literal=secretKey=SK >/dev/null
  done
  kubectl delete clusterbackupwatch --all --namespace default >/dev/null
  check 'the operator of one namespace starts' run_operator tenant "$system" "$simulator" \
    --set fullnameOverride=tenant --set 'watch.namespaces={shop}'
  kubectl apply --filename <(a_watch shop prod; echo ---; a_watch default other) >/dev/null
  check 'its watch is Ready' reaches shop prod condition=Ready
  check 'a watch of another namespace is left alone' reaches default other jsonpath='{.status.observedGeneration}'=-1 5
  check 'and its backup becomes healthy' reaches shop prod condition=BackupHealthy 120
  check 'it published Events' events_of shop BackupSucceeded
  check 'it made no request that its role forbids' nothing_forbidden tenant "$system"
  end tenant

  check 'the operator of the whole cluster, with its Lease, starts' run_operator "$system" "$system" "$simulator" \
    --set 'rbac.secretNames={huawei}' --set leaderElection.enabled=true
  check 'a watch of any namespace is Ready' reaches default other condition=Ready
  check 'and its backup becomes healthy' reaches default other condition=BackupHealthy 120
  check 'it holds its Lease' lease_is_held "$system" "$system"
  check 'it published Events' events_of default BackupSucceeded
  check 'it made no request that its role forbids' nothing_forbidden "$system" "$system"
  check 'what helm test asks it is answered' probed "$system"
  check 'it exports the metrics that alerts and dashboard use' exports_what_is_promised "$system"
  check 'and no others' exports_nothing_else "$system"
}

# --- Both ----------------------------------------------------------------------------------------------

if [[ ${1-} == --inside ]]; then
  inside
  printf '%s %s\n' "$passed" "$failed" >"$2"
  exit 0
fi

bin=$(hack/control-plane/provision.sh etcd kube-apiserver kubectl helm promtool actionlint helm-docs helm-unittest) || exit 2
export PATH=$bin:$PATH
for tool in go jq; do
  command -v "$tool" >/dev/null || { printf 'test-chart.sh: %s is not on PATH\n' "$tool" >&2; exit 2; }
done

outside
hack/control-plane/run.sh -- "$root/hack/test-chart.sh" --inside "$scratch/counts"
if read -r more_passed more_failed <"$scratch/counts"; then
  passed=$((passed + more_passed)) failed=$((failed + more_failed))
else
  printf 'FAILED  the checks on a control plane did not end\n'
  failed=$((failed + 1))
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
