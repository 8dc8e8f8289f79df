# shellcheck shell=bash
#
# For hack/test-flux.sh: runs kustomize-controller and helm-controller as processes of this machine, requests reconciles of them,
# and reads the results.

# The directory of a pinned module of Flux in Go's cache, after its checksum was verified.
flux_module() { # DIRECTORY-OF-GO.MOD NAME
  env -C "$1" GOFLAGS=-mod=readonly GOWORK=off go mod download "github.com/fluxcd/$2" >&2 &&
    env -C "$1" GOFLAGS=-mod=readonly GOWORK=off go list -m -f '{{.Dir}}' "github.com/fluxcd/$2"
}

# Installs the definitions of Flux' resources.
definitions_serve() {
  local name pinned_in directory
  for name in kustomize-controller helm-controller source-controller; do
    pinned_in=hack/control-plane/modules/flux
    [[ $name != source-controller ]] || pinned_in=hack/flux/definitions
    directory=$(flux_module "$pinned_in" "$name") && kubectl apply --server-side --filename "$directory/config/crd/bases" || return
  done
  for name in {gitrepositories,ocirepositories}.source kustomizations.kustomize helmreleases.helm; do
    is_established "$name.toolkit.fluxcd.io" || return
  done
}
# Retries, because "kubectl wait" fails on a CRD that has no conditions yet.
is_established() { await 60 kubectl wait "crd/$1" --for=condition=Established --timeout=30s; } # CRD

# A kubeconfig with the token of a ServiceAccount.
kubeconfig_of() { # NAMESPACE SERVICE-ACCOUNT FILE
  local token server
  token=$(kubectl create token "$2" --namespace "$1") || return
  server=$(kubectl config view --raw --output jsonpath='{.clusters[0].cluster.server}')
  kubectl config view --raw --output jsonpath='{.clusters[0].cluster.certificate-authority-data}' | base64 --decode >"$scratch/ca.crt"
  kubectl --kubeconfig "$3" config set-cluster it --server "$server" --certificate-authority "$scratch/ca.crt" --embed-certs >/dev/null &&
    kubectl --kubeconfig "$3" config set-credentials it --token "$token" >/dev/null &&
    kubectl --kubeconfig "$3" config set-context it --cluster it --user it >/dev/null &&
    kubectl --kubeconfig "$3" config use-context it >/dev/null
}

# Starts a controller with a ServiceAccount of its own that may do everything, as "flux install" makes it. The account identifies
# the controller's requests in the audit log.
controller_starts() { # NAME
  kubectl create serviceaccount "$1" --namespace flux-system >/dev/null &&
    kubectl create clusterrolebinding "flux-$1" --clusterrole=cluster-admin --serviceaccount="flux-system:$1" >/dev/null &&
    kubeconfig_of flux-system "$1" "$scratch/$1.kubeconfig" || return
  mkdir -p "$scratch/$1"
  # A resource that waits for a dependency is checked again after a second and not after 30, because that delay of Flux is not
  # tested here.
  env "KUBECONFIG=$scratch/$1.kubeconfig" RUNTIME_NAMESPACE=flux-system "HOME=$scratch/$1" "TMPDIR=$scratch/$1" \
    "$1" --metrics-addr=127.0.0.1:0 --health-addr=127.0.0.1:0 --requeue-dependency=1s --log-encoding=console \
    >"$scratch/$1.log" 2>&1 </dev/null &
  # A check runs in a subshell, so the id is kept in a file.
  printf '%s' $! >"$scratch/$1.pid"
  await 30 grep -q 'Starting workers' "$scratch/$1.log" || { tail -n 20 "$scratch/$1.log"; return 1; }
}

# Prints the status of a resource's condition Ready, which is True, False or Unknown, and its message.
says() { # RESOURCE
  kubectl get "$1" --namespace flux-system --output jsonpath='{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}'
}

# Requests a reconcile and waits for its end.
reconcile() { # RESOURCE [SECONDS]
  local request
  request=$(date +%s.%N)
  kubectl annotate "$1" --namespace flux-system --overwrite --field-manager=flux-client-side-apply "reconcile.fluxcd.io/requestedAt=$request" &&
    kubectl wait "$1" --namespace flux-system --for=jsonpath='{.status.lastHandledReconcileAt}'="$request" --timeout="${2:-60}s"
}

is_ready() { # RESOURCE [SECONDS]
  kubectl wait "$1" --namespace flux-system --for=condition=Ready --timeout="${2:-60}s" && return
  kubectl get "$1" --namespace flux-system --output yaml
  return 1
}

# Waits until a Kustomization is Ready or not, as wanted, on the newest commit.
comes_to() { # NAME True|False [PATTERN [SECONDS]]
  local revision until=$((SECONDS + ${4:-60})) said
  revision=$(<"$scratch/revision")
  while ((SECONDS < until)); do
    said=$(kubectl get kustomization "$1" --namespace flux-system --output json | jq --raw-output --arg revision "$revision" '
      .metadata.generation as $generation | select(.status.lastAttemptedRevision == $revision)
      | select(.status.conditions | any(.type == "Reconciling" and .reason != "ProgressingWithRetry") | not)
      | .status.conditions[] | select(.type == "Ready" and .observedGeneration == $generation) | "\(.status) \(.message)"')
    if [[ $said == "$2 "* ]] && grep -qE -- "${3:-.}" <<<"$said"; then
      printf '%s\n' "$said"
      return
    fi
    sleep 0.2
  done
  printf 'not %s, but: %s\n' "$2" "$(says "kustomization/$1")"
  return 1
}

# Prints how many writes the controllers of Flux have made since a line of the audit log, and how many dry runs. Requests for their
# own resources, whose status they maintain, do not count.
flux_requests() { # LINE
  tail -n "+$(($1 + 1))" "$CBW_AUDIT_LOG" | jq --slurp --raw-output '
    map(select((.user.username | startswith("system:serviceaccount:flux-system:"))
      and (.verb | IN("create", "update", "patch", "delete", "deletecollection"))
      and (.objectRef.apiGroup // "" | (endswith(".toolkit.fluxcd.io") or . == "events.k8s.io") | not)
      and (.objectRef.resource | IN("events", "leases", "selfsubjectaccessreviews") | not)))
    | group_by(.requestURI | contains("dryRun=All"))[]
    | "\(if .[0].requestURI | contains("dryRun=All") then "asked" else "written" end) \(length) \(map("\(.verb) \(.objectRef.resource)/\(.objectRef.name)") | unique | join(", "))"'
}

# Checks that reconciles which find nothing new write nothing. If ASKS is true, there must be at least one dry run for each of the
# TIMES.
writes_nothing() { # TIMES ASKS RESOURCE...
  local times=$1 asks=$2 line resource requests i
  shift 2
  # One reconcile of each first, so that nothing is left to do from earlier changes.
  for resource; do reconcile "$resource" || return; done
  line=$(wc -l <"$CBW_AUDIT_LOG")
  for ((i = 0; i < times; i++)); do
    for resource; do reconcile "$resource" || return; done
  done
  requests=$(flux_requests "$line")
  printf '%s\n' "$requests"
  ! grep '^written' <<<"$requests" || return
  [[ $asks == false ]] || (($(awk '$1 == "asked" { print $2 }' <<<"$requests") >= times))
}
