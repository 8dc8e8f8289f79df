# shellcheck shell=bash
#
# For hack/test-flux.sh: a Git repository and an OCI registry on this machine, and the artifacts that source-controller would make
# from them.
#
# source-controller itself does not run. publish_git and publish_chart do its part: they take an artifact out of the repository or
# the registry as the resource asks for it, and write it into the status, from which the other controllers read it. The artifacts
# are served by the registry too, as blobs.

git_dir=$scratch/git
readonly git_dir

# Starts the registry; its address is then in $registry.
registry_starts() {
  registry -port 0 >/dev/null 2>"$scratch/registry.log" </dev/null &
  children+=($!)
  await 30 grep -q 'serving on port' "$scratch/registry.log" || return
  registry=localhost:$(sed -n 's/.*serving on port //p' "$scratch/registry.log")
}

# Prints the example of docs/gitops.md with this kind and name as JSON.
example() { # KIND NAME
  awk -v kind="kind: $1" -v name="  name: $2" '
    function finish() { if (is_kind && is_named) printf "%s", text; text = ""; is_kind = is_named = 0 }
    /^```yaml$/ { inside = 1; next }
    /^```$/ || /^---$/ { if (inside) finish(); if (/^```$/) inside = 0; next }
    inside {
      text = text $0 "\n"
      if ($0 == kind) is_kind = 1
      if ($0 == name && !in_spec) is_named = 1
      in_spec = $0 == "spec:" ? 1 : ($0 ~ /^[a-z]/ ? 0 : in_spec)
    }' docs/gitops.md >"$scratch/example.yaml"
  [[ -s $scratch/example.yaml ]] || { printf 'docs/gitops.md has no example of a %s %s\n' "$1" "$2" >&2; return 1; }
  kubectl create --dry-run=client --output json --filename "$scratch/example.yaml"
}

upload() { # FILE: into the registry; prints the digest
  local digest
  digest=sha256:$(sha256sum "$1" | cut -d ' ' -f 1)
  curl --fail-with-body --silent --show-error --request POST --header 'Content-Type: application/octet-stream' \
    --data-binary "@$1" "http://$registry/v2/git/blobs/uploads/?digest=$digest" >&2 && printf '%s' "$digest"
}

# Writes an artifact into the status of a source, as source-controller does after a fetch.
write_artifact() { # RESOURCE REVISION URL DIGEST
  local now generation
  now=$(date --utc +%FT%TZ)
  generation=$(kubectl get "$1" --namespace flux-system --output jsonpath='{.metadata.generation}') || return
  jq --null-input --arg now "$now" --argjson generation "$generation" --arg revision "$2" --arg url "$3" --arg digest "$4" '{status: {
      observedGeneration: $generation,
      artifact: {path: $digest, revision: $revision, url: $url, digest: $digest, lastUpdateTime: $now},
      conditions: [{type: "Ready", status: "True", reason: "Succeeded", message: "stored artifact for revision \($revision)",
        observedGeneration: $generation, lastTransitionTime: $now}]}}' >"$scratch/artifact.json"
  kubectl patch "$1" --namespace flux-system --subresource=status --type=merge --patch-file "$scratch/artifact.json"
}

# Commits what is in $git_dir and publishes it to every GitRepository. The revision is then in the file $scratch/revision.
publish_git() { # MESSAGE
  local digest commit repository
  git -C "$git_dir" add --all && git -C "$git_dir" commit --quiet --allow-empty --message "$1" || return
  commit=$(git -C "$git_dir" rev-parse HEAD)
  # The archive of a tree, because that of a commit begins with a header that only Git understands.
  git -C "$git_dir" archive --format=tar.gz --output "$scratch/git.tar.gz" 'HEAD^{tree}' || return
  digest=$(upload "$scratch/git.tar.gz") || return
  printf 'main@sha1:%s' "$commit" >"$scratch/revision"
  for repository in $(kubectl get gitrepositories --namespace flux-system --output name); do
    write_artifact "$repository" "$(<"$scratch/revision")" "http://$registry/v2/git/blobs/$digest" "$digest" || return
  done
}

push_chart() { # DIRECTORY VERSION
  helm package "$1" --version "$2" --destination "$scratch" >/dev/null &&
    helm push --plain-http "$scratch/cce-backup-watch-$2.tgz" "oci://$registry/charts"
}

# Publishes the newest chart in the version range of the OCIRepository, as the layer that its layerSelector selects.
publish_chart() {
  local name range media_type operation tag manifest digest layer
  kubectl get ocirepository cce-backup-watch --namespace flux-system --output json >"$scratch/source.json" || return
  name=$(jq --raw-output '.spec.url | ltrimstr("oci://") | sub("^[^/]*/"; "")' "$scratch/source.json")
  range=$(jq --raw-output '.spec.ref.semver | select(endswith(".x")) | rtrimstr("x")' "$scratch/source.json")
  media_type=$(jq --raw-output .spec.layerSelector.mediaType "$scratch/source.json")
  operation=$(jq --raw-output .spec.layerSelector.operation "$scratch/source.json")
  [[ -n $range && $operation == copy ]] || { printf 'this script knows ranges of patches and copies only\n'; return 1; }
  tag=$(curl --fail --silent --show-error "http://$registry/v2/$name/tags/list" |
    jq --raw-output --arg range "$range" '.tags[] | select(startswith($range))' | sort --version-sort | tail -n 1)
  [[ -n $tag ]] || { printf 'no tag of %s is in %sx\n' "$name" "$range"; return 1; }
  manifest=$scratch/manifest.json
  curl --fail --silent --show-error --output "$manifest" "http://$registry/v2/$name/manifests/$tag" || return
  digest=sha256:$(sha256sum "$manifest" | cut -d ' ' -f 1)
  layer=$(jq --raw-output --arg type "$media_type" 'first(.layers[] | select(.mediaType == $type)) | .digest' "$manifest")
  [[ -n $layer ]] || { printf 'the chart has no layer of the type %s:\n' "$media_type"; jq .layers "$manifest"; return 1; }
  write_artifact ocirepository/cce-backup-watch "$tag@$digest" "http://$registry/v2/$name/blobs/$layer" "$layer"
}
