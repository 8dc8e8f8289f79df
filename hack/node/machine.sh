# shellcheck shell=bash
#
# For hack/test-node.sh: checks whether this machine can run a node, by trying each thing that a node needs in namespaces that
# end with the try.

apart() { unshare --mount --net --pid --fork --mount-proc -- "$@"; } # COMMAND...

overlay_on_tmpfs() {
  # The expressions are the inner shell's.
  # shellcheck disable=SC2016
  apart sh -euc 'mount -t tmpfs tmpfs "$0" && cd "$0" && mkdir lower upper work merged &&
    mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged' "$1"
}
# Tries the iptables rules that kube-proxy needs.
nat() {
  apart sh -euc 'iptables -t nat -A PREROUTING -m comment --comment test -m addrtype --dst-type LOCAL -p tcp -j DNAT --to-destination 192.0.2.1:80
    iptables -t nat -A POSTROUTING -m mark --mark 1 -j MASQUERADE
    iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -m statistic --mode random --probability 0.5 -j ACCEPT'
}
veth() { apart ip link add veth0 type veth peer name veth1; }

# Prints the reasons why this machine cannot run a node, one a line; nothing if it can.
obstacles() { # SCRATCH
  local program what
  [[ $(uname -s) == Linux ]] || { echo 'it is not Linux'; return; }
  ((EUID == 0)) || { echo 'a node needs root'; return; }
  hack/programs.sh buildah dnsmasq ip iptables readelf runc || echo 'programs are missing'
  for program in go setpriv unshare; do
    command -v "$program" >/dev/null || printf '%s is not on PATH\n' "$program"
  done
  case $(readlink -f .)/ in
    # The node mounts its own file systems over these directories, which would hide the work tree.
    /run/* | /var/lib/* | /var/log/*) echo 'the work tree is in /run, /var/lib or /var/log, where the node has file systems of its own' ;;
  esac
  apart true || { echo 'it makes no namespaces'; return; }
  for what in veth nat; do
    "$what" || printf 'its kernel, or its iptables, has no %s\n' "$what"
  done
  overlay_on_tmpfs "$1" || echo 'its kernel has no overlayfs'
  cgroup_obstacles
}
