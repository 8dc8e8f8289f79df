# shellcheck shell=bash
#
# For hack/node/checks.sh: starts the programs of a node. hack/test-node.sh sets the variables NODE_….

readonly pod_network=10.88.0.0/24

serve() { # NAME COMMAND...
  local name=$1
  shift
  "$@" >"$NODE_STATE/$name.log" 2>&1 </dev/null &
}

start_containerd() {
  cat >/run/node/containerd.toml <<EOF
version = 3
root = '/run/node/containerd'
state = '/run/containerd'

[plugins.'io.containerd.internal.v1.opt']
  path = '/run/node/containerd/opt'
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '$NODE_PAUSE'
[plugins.'io.containerd.cri.v1.runtime']
  # A profile would stay in the kernel, for the whole machine.
  disable_apparmor = true
  # Root may not everywhere lower it, for example not in a container.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['$NODE_BIN']
  conf_dir = '/run/node/cni'
  use_internal_loopback = true
EOF
  cat >/run/node/cni/node.conflist <<EOF
{"cniVersion": "1.0.0", "name": "node", "plugins": [{"type": "ptp", "ipam": {
  "type": "host-local", "ranges": [[{"subnet": "$pod_network"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
EOF
  serve containerd containerd --config /run/node/containerd.toml
}

start_kubelet() {
  # A full machine must not make the kubelet evict pods or remove images, and swap does no harm here. The pods resolve names by
  # the DNS server that this script starts, which forwards to no other.
  cat >/run/node/kubelet.yaml <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
enableServer: false
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$NODE_CGROUP
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
clusterDNS: [$NODE_ADDRESS]
clusterDomain: cluster.local
resolvConf: /run/node/resolv.conf
evictionHard: {imagefs.available: 0%, memory.available: 0%, nodefs.available: 0%, nodefs.inodesFree: 0%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
volumePluginDir: /run/node/kubelet/volume-plugins
EOF
  : >/run/node/resolv.conf
  # The kubelet uses the admin's kubeconfig, because the chart's pod is tested here and not the permissions of nodes.
  serve kubelet kubelet --root-dir=/run/node/kubelet --config=/run/node/kubelet.yaml --kubeconfig="$KUBECONFIG" --hostname-override=node --node-ip="$NODE_ADDRESS"
}

start_scheduler() {
  serve kube-scheduler kube-scheduler --kubeconfig="$KUBECONFIG" --leader-elect=false --secure-port=0
}

# The conntrack flags are 0, so that kube-proxy leaves the machine's limits of connection tracking alone.
start_proxy() {
  serve kube-proxy kube-proxy --kubeconfig="$KUBECONFIG" --hostname-override=node --proxy-mode=iptables --cluster-cidr="$pod_network" \
    --conntrack-max-per-core=0 --conntrack-min=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
}

# Starts a DNS server that knows only the given names, each as NAME,ADDRESS.
start_dns() { # RECORD...
  serve dnsmasq dnsmasq --keep-in-foreground --log-facility=- --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts \
    --bind-interfaces --listen-address="$NODE_ADDRESS" --local=/local/ --local=/svc/ "${@/#/--host-record=}"
}
