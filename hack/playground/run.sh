#!/usr/bin/env bash
#
# A place to try a change in: a control plane, a simulated cloud, watches in every odd state, and the operator.
#
#   hack/playground/run.sh                        the operator's log; it is built and started again when a source changes
#   hack/playground/run.sh --no-operator          a shell instead, and no operator
#   hack/playground/run.sh [--no-operator] -- COMMAND [ARGUMENT...]
#
# A COMMAND, like the shell, finds the control plane by KUBECONFIG, the cloud by CBW_REGION_ENDPOINT, and on the PATH kubectl with the
# plugin `kubectl cbw`, helm, cce-backup-watch and cce-simulator as they were built. When it ends, so does everything else.
# PLAYGROUND has a folder with operator.pid, operator.log and simulator.log.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
readonly root
readonly namespace=playground
# What the operator is built from.
readonly sources=(src Cargo.toml Cargo.lock)
cd "$root"
# shellcheck source=hack/simulator.sh
source hack/simulator.sh

say() { printf 'playground: %s\n' "$*" >&2; }

if [[ ${1:-} != inside ]]; then
  build_binaries cce-backup-watch cce-simulator
  exec hack/control-plane/run.sh -- "${BASH_SOURCE[0]}" inside "$@"
fi
shift
operator=true
if [[ ${1:-} == --no-operator ]]; then operator=false; shift; fi
[[ ${1:-} != -- ]] || shift

work=$(mktemp -d "${TMPDIR:-/tmp}/cce-playground.XXXXXX")
readonly work
children=()
clean_up() {
  status=$?
  trap '' INT TERM
  # Ctrl-C is how one leaves.
  ((status != 130)) || status=0
  kill "${children[@]}" 2>/dev/null || true
  [[ ! -s $work/operator.pid ]] || kill "$(<"$work/operator.pid")" 2>/dev/null || true
  wait || true
  rm -rf -- "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- The cloud and the watches ------------------------------------------------------------------------

start_simulator hack/playground/scenario.yaml PLAY

# Of the mistyped region: nothing listens on this port of this machine.
readonly nowhere=http://127.0.0.1:1

# The simulator's admin API, without a program to install: this shell speaks enough HTTP.
admin() { # PATH BODY
  local host=${cloud#http://} answer
  exec 9<>"/dev/tcp/${host%:*}/${host##*:}"
  printf 'PUT %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "$1" "$host" "${#2}" "$2" >&9
  read -r answer <&9
  exec 9>&-
  [[ $answer == 'HTTP/1.1 2'* ]] || { say "PUT $1: $answer"; return 1; }
}
admin /admin/clusters/00000009-0000-4000-8000-000000000000/fault '{"status": 503, "code": "CCE.01503000", "message": "maintenance"}'

mkdir "$work/bin"
ln -s "$CBW_BIN_DIR"/{cce-backup-watch,cce-simulator} "$work/bin"
ln -s "$CBW_BIN_DIR/cce-backup-watch" "$work/bin/kubectl-cbw"
export PATH=$work/bin:$PATH PLAYGROUND=$work CBW_REGION_ENDPOINT="cn-north-4=$cloud,cn-nroth-4=$nowhere"

quietly() { "$@" >/dev/null; }
quietly kubectl apply --kustomize crds
quietly kubectl create namespace "$namespace"
quietly kubectl config set-context --current --namespace "$namespace"
quietly kubectl create secret generic huawei --from-literal=accessKey="$access_key" --from-literal=secretKey="$secret_key"
quietly kubectl create secret generic wrong-key --from-literal=accessKey="$access_key" --from-literal=secretKey=wrong
quietly kubectl create secret generic half --from-literal=access_key="$access_key"
quietly kubectl apply --filename hack/playground/watches.yaml

# --- The operator, started again when a source changes ------------------------------------------------

start() {
  # The file is replaced by the next build, so a copy of it runs.
  cp "$CBW_BIN_DIR/cce-backup-watch" "$work/operator"
  "$work/operator" controller --listen 127.0.0.1:0 --log-format text \
    --leader-elect --lease-namespace "$namespace" 2>>"$work/operator.log" &
  printf '%s\n' "$!" >"$work/operator.pid"
}

stop() {
  local pid
  pid=$(<"$work/operator.pid")
  kill "$pid" 2>/dev/null || true
  # Not wait: the operator may be a child of the shell above this one.
  while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

changed() { [[ -n $(find "${sources[@]}" -newer "$work/built" -print -quit) ]]; }

follow() {
  while sleep 1; do
    if ! kill -0 "$(<"$work/operator.pid")" 2>/dev/null; then
      say "the operator has ended; it is started again when a source changes"
      until changed; do sleep 1; done
    elif ! changed; then
      continue
    fi
    touch "$work/built"
    say "a source has changed"
    if cargo build --quiet --workspace --bin cce-backup-watch; then
      stop
      start
      say "the operator is started again, as process $(<"$work/operator.pid")"
    else
      say "that does not compile, so the operator before it goes on"
    fi
  done
}

if $operator; then
  touch "$work/built"
  start
  await 30 grep -q started "$work/operator.log"
fi

# --- What runs in it ----------------------------------------------------------------------------------

cat >&2 <<END

In this place (another terminal needs: export KUBECONFIG=$KUBECONFIG PATH=$work/bin:\$PATH)
  kubectl cbw status             every watch, the worst first
  kubectl get cbw --watch        the same as the operator writes it
  kubectl cbw poll prod          asks the operator to poll now
  kubectl cbw backup prod        starts a backup in the simulated cloud and follows it
  kubectl get events             what the operator reported
END
if ! $operator; then
  cat >&2 <<END
  cce-backup-watch controller --log-format text --listen 127.0.0.1:0        the operator, which does not run yet
END
fi

if (($# > 0)); then
  status=0
  if $operator; then follow & children+=($!); fi
  "$@" || status=$?
  exit "$status"
fi
if $operator; then
  tail --lines=+1 --follow "$work/operator.log" &
  children+=($!)
  say "Ctrl-C ends it all; a change below ${sources[*]} starts the operator again"
  follow
else
  "${SHELL:-bash}" || true
fi
