#!/usr/bin/env bash
#
# Renders config/ from the chart, for those who use kustomize without Helm, and the chart's README from its values.
#
#   generate-config.sh            writes the files
#   generate-config.sh --check    fails if a file is not as it would be written
#
# helm and helm-docs must be on PATH; hack/control-plane/provision.sh has both.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
readonly chart=charts/cce-backup-watch
readonly name=cce-backup-watch

case ${1-} in
  '') check=false ;;
  --check) check=true ;;
  *) printf 'usage: generate-config.sh [--check]\n' >&2; exit 2 ;;
esac
for tool in helm helm-docs; do
  command -v "$tool" >/dev/null || { printf 'generate-config.sh: %s is not on PATH\n' "$tool" >&2; exit 2; }
done

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

# Labels and annotations of Helm would be wrong without Helm. A document that is empty without them is dropped.
render() { # OPTION...
  printf '# Generated from %s by hack/generate-config.sh. Change the chart instead.\n' "$chart"
  helm template "$name" "$chart" --namespace "$name" --set crds.enabled=false --set test.enabled=false "$@" |
    sed -e '/^# Source: /d' \
      -e '/^ *app.kubernetes.io\/managed-by: Helm$/d' \
      -e '/^ *helm.sh\/chart: /d' \
      -e '/^$/d'
}

write() { # FILE
  mkdir -p -- "$scratch/$(dirname -- "$1")"
  cat >"$scratch/$1"
}

render | write config/default/operator.yaml

# The pod takes the namespace that it watches from its own, so that an overlay can move it with "namespace:" alone.
render --set "watch.namespaces={$name}" --set rbac.aggregateRoles=false \
  --set-json 'extraEnv=[{"name":"CBW_WATCH_NAMESPACE","valueFrom":{"fieldRef":{"fieldPath":"metadata.namespace"}}}]' |
  sed '/--watch-namespace=/d' | write config/namespaced/operator.yaml

render --show-only templates/servicemonitor.yaml --show-only templates/prometheusrule.yaml --show-only templates/dashboard.yaml \
  --set serviceMonitor.enabled=true --set serviceMonitor.renderMode=alwaysRender \
  --set prometheusRule.enabled=true --set prometheusRule.renderMode=alwaysRender --set dashboard.enabled=true |
  write config/monitoring/monitoring.yaml

mkdir -p -- "$scratch/$chart"
cp -R -- "$chart"/{Chart.yaml,values.yaml,README.md.gotmpl} "$scratch/$chart"
helm-docs --chart-search-root "$scratch/$chart" --log-level warning
rm -- "$scratch/$chart"/{Chart.yaml,values.yaml,README.md.gotmpl}

status=0
while read -r file; do
  if $check; then
    diff --unified -- "$file" "$scratch/$file" || status=1
  else
    mkdir -p -- "$(dirname -- "$file")"
    cp -- "$scratch/$file" "$file"
  fi
done < <(cd -- "$scratch" && find . -type f -printf '%P\n' | sort)
if ((status)); then
  printf 'generate-config.sh: the files above are not up to date; run hack/generate-config.sh\n' >&2
fi
exit "$status"
