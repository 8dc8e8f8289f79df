#!/usr/bin/env bash
#
# Runs a command against a Kubernetes control plane of its own: etcd and kube-apiserver.
#
#   run.sh [--kubernetes MINOR] [--state-dir DIR] [--with-controller-manager] [--without-helm] [--address ADDRESS] -- COMMAND [ARGUMENT...]
#
# COMMAND finds the control plane through KUBECONFIG (a user in system:masters), the server's audit log, one
# JSON object a line, at $CBW_AUDIT_LOG, and kubectl, helm and the servers on PATH. When it ends, everything
# that it or this script started ends as well, and the exit code is COMMAND's; 125 means that there was no
# control plane to run it against. README.md has more.
#
# Functions that only a trap or await calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly no_control_plane=125    # as in timeout(1) and env(1): the wrapper failed, not the command
readonly start_limit=180         # seconds for a server to become ready, far above what it needs where nothing else runs
readonly port_tries=5
readonly grace=10                # seconds that COMMAND has to end itself after a signal

say() { printf 'control-plane: %s\n' "$*" >&2; }
fail() { say "$*"; exit "$no_control_plane"; }
usage() { sed -n '5s/^# */usage: /p' "${BASH_SOURCE[0]}" >&2; exit 2; }

state=''
# A run inside of a run has the version of the outer one.
kubernetes=${CBW_KUBERNETES-}
controller_manager=false
helm=true
address=''
while (($# > 0)); do
  case $1 in
    --kubernetes) (($# > 1)) || usage; kubernetes=$2; shift 2 ;;
    --kubernetes=*) kubernetes=${1#*=}; shift ;;
    --state-dir) (($# > 1)) || usage; state=$2; shift 2 ;;
    --state-dir=*) state=${1#*=}; shift ;;
    --with-controller-manager) controller_manager=true; shift ;;
    --without-helm) helm=false; shift ;;
    --address) (($# > 1)) || usage; address=$2; shift 2 ;;
    --) shift; break ;;
    *) usage ;;
  esac
done
(($# > 0)) || usage

for tool in openssl setsid flock; do
  command -v "$tool" >/dev/null || fail "$tool is missing: install openssl and util-linux"
done
[[ -r /proc/self/environ ]] || fail "this needs Linux: it finds the processes of a run in /proc"

# --- What belongs to the run ---------------------------------------------------------------------------

# The mask protects the keys and tokens in the state directory. COMMAND gets back the mask that this script was
# started with, because its files are its own.
inherited_umask=$(umask)
readonly inherited_umask
umask 077
if [[ -n $state ]]; then
  mkdir -p -- "$state"
  state=$(cd -- "$state" && pwd)
  # What an earlier run left here is replaced; somebody's own files are not.
  if [[ ! -e $state/.control-plane && -n $(ls -A -- "$state") ]]; then
    fail "$state is neither empty nor the state of an earlier run"
  fi
  exec 7>"$state/.control-plane"
  flock -n 7 || fail "another run uses $state"
  rm -rf -- "$state"/{etcd,pki,kube-cache,kubeconfig,audit.log,audit-policy.yaml,controller-manager.kubeconfig} "$state"/*.{log,pid}
  throw_away=''
else
  state=$(mktemp -d "${TMPDIR:-/tmp}/cce-control-plane.XXXXXX")
  throw_away=$state
fi

# A variable's name, so that a run inside of a run carries both marks.
mark=CBW_RUN_$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')

# Only the guard cleans up. It waits for the pipe on descriptor 8 to close, so that even a run that is killed with
# SIGKILL is cleaned up. It has a session of its own, so that it outlives a signal of the terminal to this script.
exec 8> >(exec setsid "$here/guard.sh" "$mark" "$throw_away" 7>&- 8>&- >/dev/null)
readonly guard=$!

running=''
finish() {
  local status=$?
  trap '' HUP INT TERM
  exec 8>&-
  # The second wait reaps the children that the guard has killed. The shell's message about each of them is
  # discarded.
  if wait "$guard"; then wait 2>/dev/null; fi
  exit "$status"
}
trap finish EXIT

# Gives COMMAND some seconds to end by itself after a signal; the guard kills what is left.
interrupted() { # SIGNAL NUMBER
  local group terminal_group tenths status=$((128 + $2))
  trap '' HUP INT TERM
  if [[ -n $running ]]; then
    # The terminal sends Ctrl-C to the whole foreground process group; passing it on would send it twice.
    read -r _ _ group _ _ terminal_group _ <<<"$(sed 's/.*) //' "/proc/$$/stat")"
    [[ $1 == INT && $group == "$terminal_group" ]] || kill -s "$1" "$running" 2>/dev/null || true
    for ((tenths = 0; tenths < grace * 10; tenths++)); do
      if ! kill -0 "$running" 2>/dev/null; then
        wait "$running" && status=0 || status=$?
        break
      fi
      sleep 0.1
    done
  fi
  exit "$status"
}
trap 'interrupted HUP 1' HUP
trap 'interrupted INT 2' INT
trap 'interrupted TERM 15' TERM

# Runs a command and waits for it in a way that a signal can interrupt. A shell gives its background
# commands no input and no SIGINT; both are restored.
attend() { # COMMAND...
  local status=0
  env --default-signal=INT,QUIT "$mark=1" "$@" <&0 7>&- 8>&- &
  running=$!
  # The shell's message about a command that was killed is discarded, because the exit code says it.
  wait "$running" 2>/dev/null || status=$?
  running=''
  return "$status"
}

# Starts a server in the background, with its output in the state directory. Its pid is then in server[NAME],
# and in NAME.pid for a COMMAND that wants to stop a server. If this script dies, the kernel kills the server at
# once, even without the guard; if the script died before the kernel was told to, the server does not start.
declare -A server
start() { # NAME ARGUMENT...
  local name=$1 leash=()
  shift
  if command -v setpriv >/dev/null; then leash=(setpriv --pdeathsig KILL); fi
  # The expressions are the inner shell's.
  # shellcheck disable=SC2016
  env -C "$state" "$mark=1" setsid "${leash[@]}" \
    sh -c '[ "$PPID" = "$0" ] && exec "$@"' $$ "$bin/$name" "$@" \
    </dev/null >"$state/$name.log" 2>&1 7>&- 8>&- &
  server[$name]=$!
  printf '%s\n' "$!" >"$state/$name.pid"
}

alive() { kill -0 "${server[$1]}" 2>/dev/null; } # NAME

show_log() { # NAME
  say "the end of $name.log:"
  tail -n 25 -- "$state/$1.log" | cut -c 1-400 >&2
}

not_ready() { # NAME
  if alive "$1"; then say "$1 was not ready after $start_limit s"; else say "$1 ended while starting"; fi
  show_log "$1"
  exit "$no_control_plane"
}

# Tries a condition until it holds; fails if the server has ended or takes too long.
await() { # NAME COMMAND...
  local name=$1 until=$((SECONDS + start_limit))
  shift
  until "$@" >/dev/null 2>&1; do
    alive "$name" && ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

# shellcheck source=hack/control-plane/keys.sh
source "$here/keys.sh"

# A TCP port of loopback on which nothing listens. It is below the range from which the kernel takes the ports of outgoing connections.
free_port() {
  local port
  # A refused connection means that the port is free.
  while port=$((20000 + (RANDOM << 15 | RANDOM) % 10000)); do
    (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s' "$port"; return; }
  done
}

# --- The servers ---------------------------------------------------------------------------------------

start_etcd() {
  # etcd listens on sockets in the state directory, which no other user can reach and which need no free port. The
  # advertised addresses are not used, because a single member has no peers and the API server is given the socket.
  # The data is thrown away, so it needs no fsync.
  start etcd \
    --name=control-plane --data-dir="$state/etcd" --unsafe-no-fsync \
    --listen-client-urls=unix://etcd.sock --advertise-client-urls=http://localhost:1 \
    --listen-peer-urls=unix://etcd-peer.sock --initial-advertise-peer-urls=http://localhost:1 \
    --initial-cluster=control-plane=http://localhost:1
}

start_apiserver() { # PORT
  local arguments=(
    --secure-port="$1"
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key"
    --client-ca-file="$pki/ca.crt"
    --etcd-servers=unix://etcd.sock
    --authorization-mode=RBAC
    --service-account-issuer=https://kubernetes.default.svc
    --service-account-signing-key-file="$pki/service-accounts.key"
    --service-account-key-file="$pki/service-accounts.pub"
    --service-cluster-ip-range=10.0.0.0/24
    --audit-policy-file="$state/audit-policy.yaml" --audit-log-path="$state/audit.log"
    # Tests count lines, so the file must not be rotated (the size is in megabytes).
    --audit-log-maxsize=100000
    --profiling=false
  )
  if [[ -n $address ]]; then
    arguments+=(--bind-address=0.0.0.0 --advertise-address="$address")
  else
    # A loopback address is not valid as an endpoint of the "kubernetes" Service, which is not needed here.
    arguments+=(--bind-address=127.0.0.1 --advertise-address=127.0.0.1 --endpoint-reconciler-type=none)
  fi
  # Without the controller manager, no ServiceAccount "default" is created, and the plugin would refuse every pod.
  $controller_manager || arguments+=(--disable-admission-plugins=ServiceAccount)
  start kube-apiserver "${arguments[@]}"
}

kubectl() {
  KUBECONFIG=$state/kubeconfig KUBECACHEDIR=$state/kube-cache KUBERC=off \
    "$bin/kubectl" --request-timeout=5s "$@" 7>&- 8>&-
}

ready() {
  # Requests slow the start of the server down, so wait until it logs that it listens.
  grep -q 'Serving securely on' "$state/kube-apiserver.log" &&
    kubectl get --raw /readyz &&
    # The namespace "default" is created only after the server has reported that it is ready.
    kubectl get namespace default
}

bring_up() {
  local name=kube-apiserver try port
  start_etcd
  make_pki
  cat >"$state/audit-policy.yaml" <<'EOF'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]}
  - {level: Metadata}
EOF
  # Its own socket, so no other run's etcd can answer.
  await etcd grep -q 'serving client traffic' "$state/etcd.log" || not_ready etcd

  for ((try = 1; ; try++)); do
    port=$(free_port)
    url=https://127.0.0.1:$port
    write_kubeconfig "$state/kubeconfig" admin
    start_apiserver "$port"
    # A server of somebody else on this port would not have a certificate of this run's authority.
    ! await kube-apiserver ready || break
    # Somebody may have taken the port in the meantime.
    if ((try < port_tries)) && ! alive kube-apiserver && grep -q 'address already in use' "$state/kube-apiserver.log"; then
      continue
    fi
    not_ready kube-apiserver
  done

  if $controller_manager; then
    write_kubeconfig "$state/controller-manager.kubeconfig" kube-controller-manager
    start kube-controller-manager \
      --kubeconfig="$state/controller-manager.kubeconfig" --use-service-account-credentials \
      --service-account-private-key-file="$pki/service-accounts.key" --root-ca-file="$pki/ca.crt" \
      --leader-elect=false --bind-address=127.0.0.1 --secure-port=0
    await kube-controller-manager kubectl get serviceaccount default || not_ready kube-controller-manager
  fi
}

# --- The run -------------------------------------------------------------------------------------------

tools=(etcd kube-apiserver kubectl)
! $helm || tools+=(helm)
! $controller_manager || tools+=(kube-controller-manager)
attend "$here/provision.sh" ${kubernetes:+--kubernetes "$kubernetes"} "${tools[@]}" </dev/null >"$state/binaries" || fail "there are no programs to run"
bin=$(<"$state/binaries")
rm -- "$state/binaries"

began=${EPOCHREALTIME/[.,]/}
bring_up
took=$(((${EPOCHREALTIME/[.,]/} - began) / 100000))
say "ready in $((took / 10)).$((took % 10)) s: $("$bin/kube-apiserver" --version) at $url"

status=0
umask "$inherited_umask"
# kubectl and helm would otherwise leave what they discovered in the home directory, and kubectl would take
# the user's preferences from there.
attend PATH="$bin:$PATH" KUBECONFIG="$state/kubeconfig" KUBECACHEDIR="$state/kube-cache" KUBERC=off \
  CBW_AUDIT_LOG="$state/audit.log" CBW_KUBERNETES="$kubernetes" "$@" || status=$?

for name in "${!server[@]}"; do
  if ! alive "$name"; then
    say "$name ended during the run"
    show_log "$name"
  fi
done
exit "$status"
