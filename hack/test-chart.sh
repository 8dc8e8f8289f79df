#!/usr/bin/env bash
#
# Renders and lints everything around the binary that users install or run: the chart, the kustomize bases, alerts, dashboard,
# GitOps examples and workflows. What a real API server says of the chart, and whether the operator works with what a release gives
# it, is shown by tests/chart.
#
#   test-chart.sh
#
# The tools are taken from hack/control-plane/provision.sh. The last line is "N passed, N failed".
#
# Functions that only "check" calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
readonly root chart=charts/cce-backup-watch
readonly system=cce-backup-watch   # the namespace of the release, and its name

# shellcheck source=hack/check.sh
source hack/check.sh
section() { printf '\n%s\n' "$*"; }

in_scratch

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

bin=$(hack/control-plane/provision.sh kubectl helm promtool actionlint helm-docs helm-unittest) || exit 2
export PATH=$bin:$PATH
command -v go >/dev/null || { printf 'test-chart.sh: go is not on PATH\n' >&2; exit 2; }

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
whole=1
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

conclude
