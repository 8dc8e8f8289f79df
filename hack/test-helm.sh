#!/usr/bin/env bash
#
# Runs the helm commands of the documentation with Helm 3 and Helm 4, each on a release that either of them has installed, on a real
# API server.
#
#   test-helm.sh
#
# The tools are taken from hack/control-plane/provision.sh. The last line is "N passed, N failed".
#
# Functions that only "check" calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
readonly root chart=charts/cce-backup-watch
readonly release=cce-backup-watch # its name and its namespace, as in all pages
readonly crd=clusterbackupwatches.cce.backupwatch.io

# shellcheck source=hack/check.sh
source hack/check.sh

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

if [[ ${1-} != --inside ]]; then
  bin=$(hack/control-plane/provision.sh etcd kube-apiserver kubectl helm-3 helm-4) || exit 2
  PATH=$bin:$PATH exec hack/control-plane/run.sh -- "$root/hack/test-helm.sh" --inside
fi

# Every page that may have a command for people who install the chart.
mapfile -t pages < <(find README.md README.zh-CN.md docs config "$chart/README.md" -name '*.md' | sort)

# Writes each command of a page that begins with these words into a file of its own, with the lines that it continues on and what
# it reads. The chart is that of this repository.
commands_of() { # FILE WORDS
  rm -f -- "$scratch"/command.*
  awk -v words="$2" -v into="$scratch/command" -v chart="$chart" '
    /^ *```/ { block = !block; on = 0; next }
    !block { next }
    !on && $0 ~ "^ *" words " " { on = 1; file = sprintf("%s.%03d", into, ++count); reads = 0 }
    !on { next }
    {
      gsub(/oci:\/\/(ghcr\.io|REGISTRY)\/cce-backup-watch\/charts\/cce-backup-watch/, chart)
      gsub(/ --version VERSION/, "")
      print >file
    }
    /<<.END.$/ { reads = 1; next }
    reads && /^ *END$/ { on = 0; next }
    !reads && !/\\$/ { on = 0 }' "$1"
}
# Runs each of these commands, and notes that it has run.
run_commands() { # HELM PAGE WORDS [AFTER-EACH...]
  local file
  commands_of "$2" "$3"
  for file in "$scratch"/command.*; do
    [[ -e $file ]] || continue
    check "$2: $(head -n 1 "$file" | sed 's/^ *//; s/ \\$//') (${file##*.})" run_command "$1" "$file"
    ran[$3]=$((${ran[$3]-0} + 1))
    (($# < 4)) || check "$2: and the release is uninstalled" "${@:4}"
  done
}
# The command with one Helm or the other.
run_command() { # HELM FILE
  printf 'set -e\nhelm() { command %s "$@"; }\n' "$1" | cat - "$2" >"$scratch/run" && bash "$scratch/run"
}
installs() { # HELM
  "$1" install "$release" "$chart" --namespace "$release" --create-namespace
}
uninstalls() { # HELM
  "$1" uninstall "$release" --namespace "$release"
}
replicas() { # N
  [[ $(kubectl get deployment "$release" --namespace "$release" --output jsonpath='{.spec.replicas}') == "$1" ]]
}
conflicts() { # COMMAND...
  local output
  ! output=$("$@" 2>&1) || { echo 'there is no conflict'; return 1; }
  grep 'conflict' <<<"$output" && grep -F '.spec.replicas' <<<"$output"
}
upgrades() { # HELM OPTION...
  local helm=$1
  shift
  "$helm" upgrade "$release" "$chart" --namespace "$release" --reset-then-reuse-values "$@"
}
scaled() { kubectl scale deployment "$release" --namespace "$release" --replicas=2; }
is_kept() { kubectl get crd "$crd"; }
are_enough() { ((ran['helm upgrade'] >= 4 * 11 && ran['helm install'] >= 2 * 4 && ran['helm uninstall'] == 2)); }
declare -A ran

kubectl apply --filename hack/checks/controllerring.yaml >/dev/null
kubectl wait --for=condition=Established crd/controllerrings.sharding.timebertt.dev --timeout=30s >/dev/null
for installer in helm-3 helm-4; do
  for upgrader in helm-3 helm-4; do
    printf '\nA release of %s, upgraded by %s\n' "$installer" "$upgrader"
    check 'it is installed' installs "$installer"
    for page in "${pages[@]}"; do
      run_commands "$upgrader" "$page" 'helm upgrade'
    done
    check 'the values of before are still there' grep -q schedule: <("$upgrader" get values "$release" --namespace "$release")
    check 'one replica again' upgrades "$upgrader" --set sharding.enabled=false --set replicaCount=1
    check 'somebody scales' scaled
    # Only what Helm 4 has installed is applied on the server.
    if [[ $installer == helm-4 && $upgrader == helm-4 ]]; then
      check 'an upgrade ends with a conflict that names the field' conflicts upgrades "$upgrader"
      check 'with --force-conflicts it takes the field back' upgrades "$upgrader" --force-conflicts
      check 'which has its value again' replicas 1
    else
      check 'an upgrade has no conflict' upgrades "$upgrader"
    fi
    check 'it is uninstalled' uninstalls "$upgrader"
    check 'and the CRD is kept' is_kept
  done
done

printf '\nReleases that pages install and uninstall\n'
for helm in helm-3 helm-4; do
  for page in "${pages[@]}"; do
    run_commands "$helm" "$page" 'helm install' uninstalls "$helm"
  done
  check 'it is installed' installs "$helm"
  run_commands "$helm" docs/operations.md 'helm uninstall'
  check 'and the CRD is kept' is_kept
done
# A page whose commands are no longer found would pass without having been tried.
check 'commands of each kind were found' are_enough
check 'helm 3 takes over the CRD of another release with --take-ownership' helm-3 install other "$chart" --namespace "$release" --take-ownership
check 'helm 4 as well' helm-4 install another "$chart" --namespace "$release" --take-ownership

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
