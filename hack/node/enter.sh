#!/usr/bin/env bash
#
# Makes the node's file systems and network, and starts its control plane. Not for calling by hand: hack/test-node.sh calls it
# as the first process of namespaces of its own.
#
#   enter.sh COMMAND [ARGUMENT...]
set -euo pipefail

# An address for documentation: no machine has it, and this one's network is not there.
: "${NODE_ADDRESS:?}" "${NODE_STATE:?}"

# --- File systems --------------------------------------------------------------------------------------

# What is written in these places goes with the namespace. The node's own directories are in /run/node, where file systems of images
# can be stacked on what is there. /var/lib, of which the kubelet names one directory itself, keeps what is in it, for a cache may be there.
mount -t tmpfs -o mode=755 node /run
mount -t tmpfs -o mode=755 node /var/log
mkdir -p /run/node/{upper,work,sysctl,cni}
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/node/upper,workdir=/run/node/work node /var/lib

# The kubelet sets these for the whole machine. It gets files of its own, which have what it wants already.
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

# Through this process, which is the first of its namespace: when it ends, the kernel ends every other.
hack/control-plane/run.sh --state-dir "$NODE_STATE/control-plane" --with-controller-manager --address "$NODE_ADDRESS" -- "$@"
