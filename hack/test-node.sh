#!/usr/bin/env bash
#
# Runs the chart's pod on a real kubelet and containerd: a node in namespaces of its own, with a control plane of its own and the
# image that hack/image.sh builds.
#
#   test-node.sh [ARCHIVE [PART-OF-A-NAME]]      default: the archive that hack/image.sh builds, and all tests
#
# Needed: Linux, root, runc, iptables, iproute2, dnsmasq, buildah, cargo, and Go for the programs that are not in the cache yet.
# If the machine cannot run a node, the script says why and exits with 2. The tests are those of tests/shipped/node; only what they log
# is left behind, in target/node, and the script fails if anything else is.
#
# A function that only a trap calls looks unreachable to shellcheck.
# shellcheck disable=SC2317
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
# The PATH of root may lack these directories.
PATH=$PATH:/usr/sbin:/sbin

# shellcheck source=hack/build.sh
source hack/build.sh
# shellcheck source=hack/node/cgroups.sh
source hack/node/cgroups.sh
# shellcheck source=hack/node/machine.sh
source hack/node/machine.sh

die() { printf 'test-node.sh: %s\n' "$*" >&2; exit 2; }

scratch=$(mktemp -d)
clean_up() {
  local status=$?
  trap '' HUP INT TERM
  # This ends every process of the node, also if a signal ended this script early.
  [[ -z ${node-} ]] || kill -KILL "$node" 2>/dev/null
  wait 2>/dev/null
  remove_cgroups $$ || status=1
  chmod -R u+w -- "$scratch"
  rm -rf -- "$scratch"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# --- Whether, and what with ----------------------------------------------------------------------------

obstacles "$scratch" >"$scratch/obstacles"
if [[ -s $scratch/obstacles ]]; then
  while read -r; do printf 'test-node.sh: this machine cannot run a node: %s\n' "$REPLY" >&2; done <"$scratch/obstacles"
  exit 2
fi
remove_stale_cgroups

archive=${1-}
[[ -n $archive ]] || archive=$(hack/image.sh) || die 'there is no image'
archive=$(readlink -f -- "$archive")
# What is built is built here. In the namespaces there is no network.
cargo test --quiet --locked --workspace --test shipped --no-run || exit 2
NODE_BIN=$(hack/control-plane/provision.sh kubelet kube-scheduler kube-proxy containerd containerd-shim-runc-v2 ctr ptp host-local) ||
  die 'the programs of the node are missing'

# The image of the container that holds a pod's namespaces. It is built here, so that no registry is needed.
NODE_PAUSE=localhost/pause:node
make_pause() { # ARCHIVE
  local store=$scratch/store container
  mkdir -p "$store"
  CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$scratch/pause" hack/node/pause/main.go || return
  printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$store/policy.json"
  buildah_here() { buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs "$@"; }
  container=$(buildah_here from scratch) &&
    buildah_here copy --quiet --chmod 0555 "$container" "$scratch/pause" /pause >/dev/null &&
    buildah_here config --user 65535:65535 --entrypoint '["/pause"]' "$container" &&
    buildah_here commit --quiet "$container" "$NODE_PAUSE" >/dev/null &&
    buildah_here push --quiet --signature-policy "$store/policy.json" "$NODE_PAUSE" "oci-archive:$1:$NODE_PAUSE"
}
make_pause "$scratch/pause.tar" || die 'the image pause could not be made'

# --- The run -------------------------------------------------------------------------------------------

NODE_STATE=$(readlink -m -- "$target/node")
rm -rf -- "$NODE_STATE"
mkdir -p -- "$NODE_STATE"
# An address that is reserved for documentation, so that no machine has it, and the network of the pods.
NODE_ADDRESS=192.0.2.1 NODE_NETWORK=10.88.0.0/24
NODE_CGROUP=$cgroup_prefix$$
NODE_IMAGE_ARCHIVE=$archive NODE_PAUSE_ARCHIVE=$scratch/pause.tar
export NODE_ADDRESS NODE_BIN NODE_CGROUP NODE_IMAGE_ARCHIVE NODE_NETWORK NODE_PAUSE NODE_PAUSE_ARCHIVE NODE_STATE

make_cgroup || die 'this machine cannot run a node: its cgroup could not be made'
# The first process of the namespaces dies with unshare, and unshare dies with this script, even if it is killed and no trap runs.
setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc -- \
  hack/node/enter.sh cargo test --quiet --offline --locked --workspace --test shipped "${2:-node:}" &
node=$!
status=0
wait "$node" || status=$?
node=''
((status == 0)) || printf 'test-node.sh: the logs are in %s\n' "$NODE_STATE" >&2

if grep -l -- "$NODE_CGROUP" /proc/[0-9]*/cgroup 2>/dev/null || ! remove_cgroups $$ || grep -E ' (/run/node|/var/lib/(kubelet|containerd))' /proc/mounts; then
  printf 'test-node.sh: something of the node is left: a process, a cgroup or a mount\n' >&2
  exit 1
fi
exit "$status"
