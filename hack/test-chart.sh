#!/usr/bin/env bash
#
# Tests everything around the binary that users install or run: the chart, the kustomize bases, alerts, dashboard, GitOps
# examples and workflows; and on a real API server the installation, permissions and admission.
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
# Succeeds if the command fails with output that matches PATTERN.
refused() { # PATTERN COMMAND...
  local pattern=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'this was not refused: %s\n%s\n' "$*" "$output"
    return 1
  fi
  grep -qE -- "$pattern" <<<"$output" || { printf 'refused in other words than "%s":\n%s\n' "$pattern" "$output"; return 1; }
}
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
  local line
  while read -r line; do
    case $line in
      '--- PASS: '*) passed=$((passed + 1)); printf 'ok      %s\n' "${line#--- PASS: }" ;;
      '--- FAIL: '*) failed=$((failed + 1)); printf 'FAILED  %s\n' "${line#--- FAIL: }" ;;
      '=== '* | PASS | FAIL | '' ) ;;
      *) printf '        %s\n' "$line" ;;
    esac
  done < <(cd hack/checks && go test -count=1 -v ./... 2>&1 | grep -v '^ *--- PASS: .*/')
  check 'those tests as a whole' env -C hack/checks go test ./...

  section 'Workflows and scripts'
  check 'the workflows are sound' actionlint -no-color
  if command -v shellcheck >/dev/null; then
    check 'the scripts are sound' shellcheck --external-sources --check-sourced hack/*.sh hack/{demo,control-plane,node}/*.sh .ci/run
  fi
}

# --- On a control plane --------------------------------------------------------------------------------

server_accepts() { kubectl apply --server-side --force-conflicts --dry-run=server --validate=strict --filename "$1"; }

# The examples that Artifact Hub shows.
examples_are_accepted() {
  awk '/^  artifacthub.io\/crdsExamples: / { on = 1; next } on && /^  [^ ]/ { exit } on' "$chart/Chart.yaml" |
    sed -e 's/^    - /---\n/' -e 's/^      //' >"$scratch/examples.yaml"
  grep -q '^kind: ClusterBackupWatch$' "$scratch/examples.yaml" && server_accepts "$scratch/examples.yaml"
}

# Creates the pod of a Deployment without the Deployment, because no controller here would create it, and its admission is what
# is tested.
pod_of() { # FILE NAMESPACE NAME
  local json
  json=$(kubectl create --dry-run=client --output json --filename "$1" |
    jq --arg namespace "$2" --arg name "$3" 'if .kind == "Deployment" then .spec.template else . end
      | {apiVersion: "v1", kind: "Pod", metadata: {name: $name, namespace: $namespace, labels: .metadata.labels}, spec}') || return
  kubectl create --dry-run=server --filename - <<<"$json"
}

only() { # FILE TEMPLATE: the documents of one template
  awk -v wanted="# Source: cce-backup-watch/templates/$2" '
    /^---$/ { show = 0; next }
    $0 == wanted { show = 1 }
    show' "$1"
}

rules_in() { # ACCOUNT NAMESPACE: what an account may do there, a line for each rule
  kubectl auth can-i --list --namespace "$2" --as="system:serviceaccount:$1" --no-headers | tr -s ' ' | sed 's/ $//' | sort
}
# Succeeds if an account may do exactly this besides what every account may do.
may_exactly() { # ACCOUNT NAMESPACE RULES
  diff <(sort <<<"$3") <(comm -23 <(rules_in "$1" "$2") <(rules_in nobody:nobody "$2"); [[ -n $3 ]] || echo)
}

can() { # yes|no ACCOUNT VERB RESOURCE [OPTION...]
  local wanted=$1 account=$2 got
  shift 2
  got=$(kubectl auth can-i "$@" --as="system:serviceaccount:$account" 2>/dev/null)
  [[ $got == "$wanted" ]] || { printf 'can-i %s says %s\n' "$*" "$got"; return 1; }
}

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

established() { kubectl wait --for=condition=Established "crd/$crd" --timeout=30s; }
watch_is_kept() { kubectl get clusterbackupwatch kept --namespace default; }
has_no_crd() { refused NotFound kubectl get crd "$crd"; }
crd_is_new() {
  kubectl get crd "$crd" --output jsonpath='{.spec.versions[0].additionalPrinterColumns[*].name}' | grep -w Changed
}
# "kubectl wait" fails if the deletion is already done, so an absent CRD counts as well.
crd_goes() { kubectl wait --for=delete "crd/$crd" --timeout=30s || has_no_crd; }

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
  local file name account=$system:$system

  kubectl create namespace "$system" >/dev/null
  kubectl label namespace "$system" pod-security.kubernetes.io/enforce=restricted >/dev/null
  kubectl create namespace monitoring >/dev/null
  kubectl create namespace shop >/dev/null

  section 'Install, upgrade, uninstall'
  # A changed chart whose CRD has one more column, which shows whether an upgrade changes the CRD.
  cp -R -- "$chart" "$scratch/changed"
  sed -i 's/^\( *\)- description: The CCE cluster that is watched\.$/\1- {name: Changed, type: string, jsonPath: .spec.region}\n&/' \
    "$scratch/changed/files/crd.yaml"
  check 'the kind ControllerRing is there' kubectl apply --filename hack/checks/controllerring.yaml
  check 'and served' kubectl wait --for=condition=Established crd/controllerrings.sharding.timebertt.dev --timeout=30s
  check 'install' install install "$system" "$chart"
  check 'the CRD serves' established
  a_watch default kept >"$scratch/kept.yaml"
  check 'a watch is accepted' kubectl apply --filename "$scratch/kept.yaml"
  check 'and so are the examples that Artifact Hub shows' examples_are_accepted
  check 'upgrade to a chart with a changed CRD' install upgrade "$system" "$scratch/changed"
  check 'the CRD on the server is the changed one' crd_is_new
  check 'the watch is still there' watch_is_kept
  check 'roll back' install rollback "$system" 1
  check 'uninstall' install uninstall "$system"
  check 'the CRD is kept' established
  check 'and so is the watch' watch_is_kept
  check 'another name is refused' refused 'cannot be imported|invalid ownership' install install other "$chart"
  check 'another name with --take-ownership' install install other "$chart" --take-ownership
  check 'uninstall that' install uninstall other
  check 'the CRD is still kept' established
  check 're-install' install install "$system" "$chart" --take-ownership
  check 'a release that is not to keep the CRD' install upgrade "$system" "$chart" --set crds.keep=false
  check 'uninstall that' install uninstall "$system"
  check 'removes the CRD' crd_goes
  check 'install once more' install install "$system" "$chart"
  check 'the CRD serves again' established
  # With the flags that the documentation gives for a release that may exist or not.
  check 'a second release without the CRD' install upgrade --install second "$chart" --reset-then-reuse-values --set crds.enabled=false
  for file in "$chart"/ci/*.yaml; do
    check "upgrade to ${file##*/}, whatever was before" install upgrade second "$chart" --values "$file" --set crds.enabled=false \
      --set serviceMonitor.renderMode=skipIfMissing --set podMonitor.renderMode=skipIfMissing --set prometheusRule.renderMode=skipIfMissing
  done
  check 'and back to none' install upgrade second "$chart" --set crds.enabled=false --reset-values

  section 'The API server takes what the chart renders'
  for file in "$chart"/ci/*.yaml; do
    name=${file##*/}
    # Another release than the installed one, because a dry run must not depend on what exists.
    helm template dry "$chart" --namespace "$system" --values "$file" --set serviceMonitor.renderMode=skipIfMissing \
      --set podMonitor.renderMode=skipIfMissing --set prometheusRule.renderMode=skipIfMissing >"$scratch/rendered-$name"
    check "server-side dry run, strictly, $name" server_accepts "$scratch/rendered-$name"
  done
  for name in default namespaced; do
    kubectl kustomize "config/$name" >"$scratch/rendered-config-$name.yaml"
    check "server-side dry run, strictly, config/$name" server_accepts "$scratch/rendered-config-$name.yaml"
  done
  check 'Argo CD never prunes the CRD of config/default' \
    grep -q '^    argocd.argoproj.io/sync-options: Prune=false$' "$scratch/rendered-config-default.yaml"

  section 'The schemas of this API server'
  mkdir -p "$scratch/schemas"
  kubectl get --raw /openapi/v2 >"$scratch/openapi.json"
  (cd hack/checks && go run ./schemas "$scratch/schemas") <"$scratch/openapi.json"
  for file in "$scratch"/rendered-*.yaml; do
    check "kubeconform, ${file##*/rendered-}" kubeconform -strict -summary \
      -schema-location "$scratch/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$file"
  done
  # A change that must be refused, because a check that accepts everything would prove nothing.
  sed 's/^  replicas: 1$/  replicaz: 1/' "$scratch/rendered-default-values.yaml" >"$scratch/typo.yaml"
  check 'kubeconform refuses a field that there is not' refused replicaz kubeconform -strict \
    -schema-location "$scratch/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$scratch/typo.yaml"
  check 'and so does the server' refused replicaz server_accepts "$scratch/typo.yaml"

  section 'Pod Security: restricted'
  for file in "$scratch"/rendered-*-values.yaml; do
    name=${file##*/rendered-}
    only "$file" deployment.yaml >"$scratch/pod.yaml"
    check "the operator's pod is admitted, $name" pod_of "$scratch/pod.yaml" "$system" operator
    only "$file" test.yaml >"$scratch/pod.yaml"
    [[ ! -s $scratch/pod.yaml ]] || check "the test's pod is admitted, $name" pod_of "$scratch/pod.yaml" "$system" test
  done
  helm template x "$chart" --namespace "$system" --show-only templates/deployment.yaml --set securityContext.allowPrivilegeEscalation=true \
    >"$scratch/pod.yaml"
  check 'a pod that may escalate is not' refused 'violates PodSecurity "restricted' pod_of "$scratch/pod.yaml" "$system" bad

  section 'The Prometheus Operator comes later'
  has_monitor() { kubectl get servicemonitor "$system" --namespace "$system"; }
  check 'without it, monitors are left out' install upgrade "$system" "$chart" --set serviceMonitor.enabled=true
  check 'or the release fails, as chosen' refused 'does not know the kind ServiceMonitor' install upgrade "$system" "$chart" \
    --set serviceMonitor.enabled=true --set serviceMonitor.renderMode=failIfMissing
  for name in servicemonitor:ServiceMonitor podmonitor:PodMonitor prometheusrule:PrometheusRule; do
    kubectl apply --filename - >/dev/null <<EOF
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
    kubectl wait --for=condition=Established "crd/${name%:*}s.monitoring.coreos.com" --timeout=30s >/dev/null
  done
  check 'with it, they are made' install upgrade "$system" "$chart" --set serviceMonitor.enabled=true \
    --set serviceMonitor.renderMode=failIfMissing --set prometheusRule.enabled=true --set dashboard.enabled=true
  check 'on the server' has_monitor
  kubectl kustomize config/monitoring >"$scratch/monitoring.yaml"
  check 'server-side dry run of config/monitoring' server_accepts "$scratch/monitoring.yaml"

  section 'Permissions in the whole cluster'
  readonly everywhere='clusterbackupwatches.cce.backupwatch.io [] [] [get list watch]
clusterbackupwatches.cce.backupwatch.io/status [] [] [update]
events.events.k8s.io [] [] [create]
secrets [] [] [get]'
  check 'exactly these' may_exactly "$account" shop "$everywhere"
  check 'and so in its own namespace' may_exactly "$account" "$system" "$everywhere"
  check_all() { # ACCOUNT, then lines: yes|no VERB RESOURCE [OPTION...]
    local account=$1 words
    while read -ra words; do
      check "can-i ${words[*]}" can "${words[0]}" "$account" "${words[@]:1}"
    done
  }
  check_all "$account" <<'EOF'
yes get secrets/huawei --namespace shop
yes get clusterbackupwatches/prod --namespace shop
yes update clusterbackupwatches --subresource=status --namespace shop
yes watch clusterbackupwatches --all-namespaces
no list secrets --all-namespaces
no watch secrets --namespace shop
no update secrets/huawei --namespace shop
no patch clusterbackupwatches --namespace shop
no update clusterbackupwatches --namespace shop
no patch clusterbackupwatches --subresource=status --namespace shop
no delete clusterbackupwatches --namespace shop
no create clusterbackupwatches --namespace shop
no patch events.events.k8s.io --namespace shop
no list events --namespace shop
no get pods --namespace shop
no get configmaps --namespace shop
no create pods --namespace shop
no get nodes
no list namespaces
no get customresourcedefinitions
no create leases --namespace cce-backup-watch
no get leases --namespace cce-backup-watch
no create serviceaccounts --subresource=token --namespace cce-backup-watch
no impersonate users
no escalate clusterroles
no * *
EOF

  section 'Permissions of a shard, and of the sharder'
  check 'upgrade' install upgrade "$system" "$chart" --set sharding.enabled=true --set replicaCount=2
  check_all "$account" <<'EOF'
yes create leases --namespace cce-backup-watch
yes watch leases --namespace cce-backup-watch
yes update leases/a-pod --namespace cce-backup-watch
no delete leases/a-pod --namespace cce-backup-watch
no create leases --namespace shop
yes patch clusterbackupwatches --namespace shop
no update clusterbackupwatches --namespace shop
no delete clusterbackupwatches --namespace shop
EOF
  check_all sharding-system:sharder <<'EOF'
yes list clusterbackupwatches --all-namespaces
yes patch clusterbackupwatches --namespace shop
no patch clusterbackupwatches --subresource=status --namespace shop
no get secrets --namespace shop
no create leases --namespace cce-backup-watch
EOF

  section 'Permissions with named Secrets and leader election'
  check 'upgrade' install upgrade "$system" "$chart" --set 'rbac.secretNames={huawei}' --set leaderElection.enabled=true
  check_all "$account" <<'EOF'
yes get secrets/huawei --namespace shop
no get secrets/other --namespace shop
no get secrets --namespace shop
yes create leases --namespace cce-backup-watch
yes get leases/cce-backup-watch --namespace cce-backup-watch
yes watch leases/cce-backup-watch --namespace cce-backup-watch
yes update leases/cce-backup-watch --namespace cce-backup-watch
no update leases/other --namespace cce-backup-watch
no watch leases --namespace cce-backup-watch
no patch leases/cce-backup-watch --namespace cce-backup-watch
no delete leases/cce-backup-watch --namespace cce-backup-watch
no list leases --namespace cce-backup-watch
no create leases --namespace shop
no get leases/cce-backup-watch --namespace shop
EOF

  section 'Permissions in listed namespaces'
  check 'a release for one namespace' install install tenant "$chart" --set crds.enabled=false --set 'watch.namespaces={shop}' \
    --set fullnameOverride=tenant
  readonly tenant=$system:tenant
  check 'exactly these there' may_exactly "$tenant" shop "$everywhere"
  for name in default kube-system "$system"; do
    check "nothing at all in $name" may_exactly "$tenant" "$name" ''
  done
  check_all "$tenant" <<'EOF'
no list clusterbackupwatches --all-namespaces
no list clusterbackupwatches --namespace default
no get secrets/huawei --namespace default
no list secrets --namespace shop
no create events.events.k8s.io --namespace default
no get leases --namespace cce-backup-watch
EOF

  section 'The roles for people'
  # The controller that aggregates roles by their labels does not run here, so this does its part.
  role_of_people() { # ROLE VERB...
    kubectl get clusterrole "$system-$1" --output jsonpath='{.rules[*].verbs[*]}' | tr ' ' '\n' | grep -x "$2"
  }
  check 'viewers may look' role_of_people view list
  check 'viewers may not write' refused '' role_of_people view patch
  check 'editors may write' role_of_people edit patch

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

bin=$(hack/control-plane/provision.sh etcd kube-apiserver kubectl helm promtool kubeconform actionlint helm-docs helm-unittest) || exit 2
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
