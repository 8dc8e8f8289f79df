#!/usr/bin/env bash
#
# Makes the node's file systems and network, and starts its control plane. Not for calling by hand: hack/test-node.sh calls it
# as the first process of namespaces of its own.
#
#   enter.sh COMMAND [ARGUMENT...]
set -euo pipefail

# The address is reserved for documentation, and this namespace has no network but its own, so nobody else can have it.
: "${NODE_ADDRESS:?}" "${NODE_BIN:?}" "${NODE_STATE:?}"

# --- File systems --------------------------------------------------------------------------------------

# Everything that is written to these places goes when the namespace ends, except for the logs of the pods. The node's own directories
# are in /run/node, a tmpfs, on which containerd can stack the overlays of images. /var/lib is an overlay that keeps the machine's
# content, because a cache may be there and the kubelet writes to one of its directories whatever its flags are.
mount -t tmpfs -o mode=755 node /run
mkdir "$NODE_STATE/log"
mount --bind "$NODE_STATE/log" /var/log
mkdir -p /run/node/{upper,work,sysctl,cni}
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/node/upper,workdir=/run/node/work node /var/lib

# The kubelet would set these for the whole machine. Bind mounts give it files that already hold the values it wants.
while read -r name value; do
  [[ -e /proc/sys/$name ]] || continue
  printf '%s\n' "$value" >"/run/node/sysctl/${name//\//.}"
  mount --bind "/run/node/sysctl/${name//\//.}" "/proc/sys/$name"
done <<'VALUES'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
VALUES

# --- Network -------------------------------------------------------------------------------------------

ip link set lo up
ip address add "$NODE_ADDRESS/32" dev lo
echo 1 >/proc/sys/net/ipv4/ip_forward

# The node's programs start each other by name.
PATH=$NODE_BIN:$PATH
# This process is the first of its pid namespace, so that the kernel ends every other process when it ends.
hack/control-plane/run.sh --state-dir "$NODE_STATE/control-plane" --with-controller-manager --address "$NODE_ADDRESS" -- "$@"
