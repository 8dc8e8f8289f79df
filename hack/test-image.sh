#!/usr/bin/env bash
#
# Runs the binary from the image, with a read-only root and as the image's user, against a control plane and the simulator behind
# TLS.
#
#   test-image.sh [ARCHIVE]      default: the archive that hack/image.sh builds
#
# Needed besides the control plane's tools: bubblewrap, jq. CBW_BIN_DIR may name a directory with cce-simulator. The last
# line is "N passed, N failed".
#
# Functions that only "check" calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
readonly self=$PWD/hack/test-image.sh
# A host name that only the DNS server or the hosts file of this test resolves.
readonly cloud=cce.image.test resolver=127.0.0.54

# shellcheck source=hack/check.sh
source hack/check.sh

in_scratch

# --- The image -----------------------------------------------------------------------------------------

holds_only() { # FILE...
  diff <(printf '%s\n' "$@" | sort) <(cd "$scratch/root" && find . ! -type d -printf '%P\n' | sort)
}
configured() { # FILTER VALUE
  local got
  got=$(jq --compact-output "$1" "$scratch/config.json")
  [[ $got == "$2" ]] || { printf '%s is %s\n' "$1" "$got"; return 1; }
}
below_limit() { (($(stat --format %s -- "$1") < 25 * 1024 * 1024)); }
# cargo-auditable leaves the list of dependencies in a section of its own.
has_sbom() { LC_ALL=C readelf --sections --wide -- "$scratch/root/cce-backup-watch" | grep '\.dep-v0'; }

# The group that a runtime finds for the image's user when the kubelet passes the user alone: that of the image's /etc/passwd, or else root.
group() { awk -F : -v user="${1%%:*}" '$3 == user { print $4; found = 1; exit } END { if (!found) print 0 }' "$scratch/root/etc/passwd" 2>/dev/null || echo 0; }
no_root() { [[ $(group "$(jq --raw-output .config.User "$scratch/config.json")") == 65532 ]]; }
# containerd takes the name of an imported image from one annotation, podman and skopeo from the other.
is_named() { # REFERENCE
  jq --exit-status --arg name "$1" '.manifests[0].annotations | .["org.opencontainers.image.ref.name"] == $name or .["io.containerd.image.name"] == $name' \
    "$scratch/image/index.json"
}
as_the_chart_asks() { helm template x charts/cce-backup-watch --show-only templates/deployment.yaml | sed -n 's/^ *image: "\(.*\)"$/\1/p'; }

# Runs the binary as a kubelet would: with a read-only root, no privileges, and the files that every container gets. The network
# is this machine's, because the control plane listens on loopback.
in_container() { # HOSTS RESOLV ARGUMENT...
  local hosts=$1 resolv=$2
  shift 2
  bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts --die-with-parent --new-session --cap-drop ALL \
    --uid 65532 --gid "$(group 65532)" --clearenv --setenv KUBECONFIG /mnt/kubeconfig --setenv HOSTNAME image-test \
    --ro-bind "$scratch/rooted" / --proc /proc --dev /dev \
    --ro-bind "$hosts" /etc/hosts --ro-bind "$resolv" /etc/resolv.conf --ro-bind "$scratch/mnt" /mnt \
    -- /cce-backup-watch "$@"
}

reaches() { # NAME CONDITION SECONDS
  kubectl wait "clusterbackupwatch/$1" --for="$2" --timeout="$3s" && return
  kubectl get clusterbackupwatch "$1" --output jsonpath='{.status.conditions}'
  tail -n 10 "$scratch"/*.log
  return 1
}
a_watch() { # NAME
  cat <<EOF
apiVersion: cce.backupwatch.io/v1alpha1
kind: ClusterBackupWatch
metadata: {name: $1, namespace: default, labels: {case: $1}}
spec:
  region: cn-north-4
  projectID: 0123456789abcdef0123456789abcdef
  clusterID: 11111111-2222-3333-4444-555555555555
  interval: 10s
  activeInterval: 2s
  credentials: {secretRef: {name: huawei}}
EOF
}

# Runs the controller until a watch shows Success, with the cloud's host name resolved by the hosts file or by DNS.
main_job() { # CASE HOSTS RESOLV
  local pid status=0
  kubectl apply --filename <(a_watch "$1") >/dev/null
  in_container "$2" "$3" controller --watch-label-selector "case=$1" --listen "127.0.0.1:$(free_port)" --ca-file /mnt/ca.crt \
    --region-endpoint "cn-north-4=https://$cloud:$(<"$scratch/port")" >"$scratch/$1.log" 2>&1 </dev/null &
  pid=$!
  reaches "$1" condition=Ready 60 && reaches "$1" jsonpath='{.status.phase}'=Success 120 || status=1
  kill "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  return "$status"
}

inside() { # ARCHIVE COUNTS
  local simulator arguments=()
  check 'the archive unpacks' unpack_image "$1" "$scratch"
  check 'the image is below 25 MiB' below_limit "$1"
  check 'it holds the binary, authorities, its user and the licence, and nothing else' holds_only cce-backup-watch LICENSE \
    etc/passwd etc/ssl/certs/ca-certificates.crt
  check 'its user is no root, by number' configured .config.User '"65532:65532"'
  check 'nor is its group, which nobody but the image names' no_root
  check 'an import has the name that the chart asks for' is_named "$(as_the_chart_asks)"
  check 'it starts the operator' configured .config.Entrypoint '["/cce-backup-watch"]'
  check 'the binary tells what it is made of' has_sbom

  # The places where a runtime mounts its files.
  cp -R -- "$scratch/root" "$scratch/rooted"
  mkdir -p "$scratch/rooted"/{proc,dev,mnt,etc} "$scratch/mnt"
  touch "$scratch/rooted/etc/"{hosts,resolv.conf}
  cp -- "$KUBECONFIG" "$scratch/mnt/kubeconfig"
  chmod 0644 "$scratch/mnt/kubeconfig"
  chmod 0755 "$scratch" "$scratch/mnt"

  simulator=$(free_port)
  "$CBW_BIN_DIR/cce-simulator" --listen "127.0.0.1:$simulator" --access-key AK --secret-key SK >"$scratch/simulator.log" 2>&1 </dev/null &
  children+=($!)
  # Only root may listen on the port of DNS.
  ((EUID != 0)) || arguments=(-dns "$resolver:53")
  (cd hack/checks && go build -o "$scratch/tlsproxy" ./tlsproxy) || exit 2
  "$scratch/tlsproxy" -name "$cloud" -to "127.0.0.1:$simulator" -ca "$scratch/mnt/ca.crt" "${arguments[@]}" >"$scratch/port" 2>"$scratch/tlsproxy.log" </dev/null &
  children+=($!)
  for _ in {1..50}; do [[ -s $scratch/port ]] && break; sleep 0.1; done

  kubectl apply --filename crds/clusterbackupwatches.yaml >/dev/null
  kubectl wait --for=condition=Established crd/clusterbackupwatches.cce.backupwatch.io --timeout=30s >/dev/null
  kubectl create secret generic huawei --from-literal=accessKey=AK --from-literal=secretKey=SK >/dev/null

  printf '127.0.0.1 localhost\n' >"$scratch/hosts"
  printf '127.0.0.1 localhost\n127.0.0.1 %s\n' "$cloud" >"$scratch/hosts-with-cloud"
  : >"$scratch/resolv-none"
  printf 'nameserver %s\n' "$resolver" >"$scratch/resolv"

  # Some systems, GitHub's machines among them, give user namespaces to nobody but root.
  if ! bwrap --unshare-user --ro-bind / / -- true 2>/dev/null; then
    skip 'it runs' 'this machine gives no user namespace'
    skip 'it follows a backup to its end over TLS, the name from /etc/hosts' 'this machine gives no user namespace'
    skip 'and with the name by DNS' 'this machine gives no user namespace'
  else
    check 'it runs' in_container "$scratch/hosts" "$scratch/resolv-none" --version
    check 'it follows a backup to its end over TLS, the name from /etc/hosts' main_job hosts "$scratch/hosts-with-cloud" "$scratch/resolv-none"
    if ((EUID == 0)); then
      check 'and with the name by DNS' main_job dns "$scratch/hosts" "$scratch/resolv"
    else
      skip 'and with the name by DNS' 'only root may listen on the port of DNS'
    fi
  fi
  printf '%s %s\n' "$passed" "$failed" >"$2"
}

if [[ ${1-} == --inside ]]; then
  inside "$2" "$3"
  exit 0
fi
for tool in go jq bwrap readelf; do
  command -v "$tool" >/dev/null || { printf 'test-image.sh: %s is not on PATH\n' "$tool" >&2; exit 2; }
done
archive=${1-}
if [[ -z $archive ]]; then
  archive=$(hack/image.sh) || {
    status=$?
    ((status == 3)) || exit 2
    skip 'the image' 'this machine can make none: it gives no user namespace to buildah and runs no Docker'
    conclude
    exit
  }
fi
archive=$(readlink -f -- "$archive")
build_binaries cce-simulator || exit 2
hack/control-plane/run.sh -- "$self" --inside "$archive" "$scratch/counts"
read -r passed failed <"$scratch/counts" || { printf 'FAILED  the checks on a control plane did not end\n'; failed=1; }
conclude
