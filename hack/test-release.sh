#!/usr/bin/env bash
#
# Follows RELEASE.md up to the step that needs an account: packs what carries the version, pushes image and chart into a registry on
# loopback, signs them and the checksums, and then runs the commands of docs/verify.md on them: verify, mirror with signatures, verify
# the mirror, install from there. What is on the mirror in the end is run: here, or by QEMU where it is for another architecture.
#
#   test-release.sh [ARCHIVE...]      images from hack/image.sh, one for each architecture; without any empty ones stand in for them
#
# The authority that Sigstore is for a release is made up here: it certifies the identity of the release workflow, and is the trusted
# root of the page's commands. There is no transparency log, so that cosign is told to ignore it; what a log proves is not tested.
# The tools are taken from hack/control-plane/provision.sh; CBW_BIN_DIR may name a directory with cce-simulator. The last line is
# "N passed, N failed".
#
# Functions that only "check" calls look unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329
set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 2
root=$PWD
readonly root chart=charts/cce-backup-watch

# shellcheck source=hack/check.sh
source hack/check.sh
# shellcheck source=hack/release/authority.sh
source hack/release/authority.sh
# shellcheck source=hack/release/binaries.sh
source hack/release/binaries.sh

if [[ ${1-} != --inside ]]; then
  bin=$(hack/control-plane/provision.sh etcd kube-apiserver kubectl helm-3 helm-4 cosign oras registry) || exit 2
  hack/programs.sh skopeo jq || exit 2
  (($# == 0)) || build_binaries cce-simulator || exit 2
  PATH=$bin:$PATH exec hack/control-plane/run.sh -- "$root/hack/test-release.sh" --inside "$@"
fi
shift
readonly archives=("$@")

in_scratch
mkdir "$scratch/dist"
# Nothing of this machine's user is read or written, and no service of Sigstore is asked.
export HOME=$scratch DOCKER_CONFIG=$scratch COSIGN_PASSWORD='' TUF_ROOT=$scratch/tuf HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1

# --- What is released ----------------------------------------------------------------------------------

version=$(hack/version.sh)
readonly version
registry_starts() { # PORT
  registry -port "$1" >"$scratch/registry.$1" 2>&1 </dev/null &
  children+=($!)
  await 30 curl --fail --silent "http://127.0.0.1:$1/v2/"
}
# The release's own names, but for the registry; the mirror is another one.
port=$(free_port) mirror_port=$(free_port)
readonly origin=127.0.0.1:$port mirror=127.0.0.1:$mirror_port
readonly image=cce-backup-watch/cce-backup-watch charts=cce-backup-watch/charts

# What the workflow's builds hand on: the context of the Dockerfile with both architectures. The images are made of it already.
context_is_there() {
  local archive arch number=0
  for archive in "${archives[@]}"; do
    unpack_image "$archive" "$scratch/image-$((++number))" || return
    arch=$(jq --raw-output .architecture "$scratch/image-$number/config.json")
    mkdir -p "$scratch/context/$arch" && cp "$scratch/image-$number/root/LICENSE" "$scratch/context" &&
      cp "$scratch/image-$number/root/cce-backup-watch" "$scratch/context/$arch" || return
  done
  if ((number == 0)); then
    mkdir -p "$scratch/context"/{amd64,arm64} && cp LICENSE "$scratch/context" &&
      tee "$scratch/context"/{amd64,arm64}/cce-backup-watch <<<'stands in for a binary' || return
  fi
  find "$scratch/context" -name cce-backup-watch
}
image_is_pushed() {
  local archive arch tags=()
  for archive in "${archives[@]}"; do
    tags+=("$version-${#tags[@]}")
    skopeo copy --dest-tls-verify=false "oci-archive:$archive" "docker://$origin/$image:${tags[-1]}" || return
  done
  if ((${#tags[@]} == 0)); then
    for arch in amd64 arm64; do
      tags+=("$version-$arch")
      printf '{"architecture":"%s","os":"linux"}' "$arch" >"$scratch/config.json"
      (cd "$scratch" && oras push --plain-http --config config.json:application/vnd.oci.image.config.v1+json "$origin/$image:${tags[-1]}") || return
    done
  fi
  oras manifest index create --plain-http "$origin/$image:$version" "${tags[@]}"
}
platforms() { # REFERENCE
  oras manifest fetch --plain-http "$1" | jq --raw-output '.manifests[].platform | .os + "/" + .architecture' | sort | paste -sd ' '
}
has_platforms() { # REFERENCE
  [[ $(platforms "$1") == 'linux/amd64 linux/arm64' ]] || { platforms "$1"; return 1; }
}
chart_is_pushed() {
  helm-4 package "$chart" --destination "$scratch" &&
    helm-4 push "$scratch/cce-backup-watch-$version.tgz" "oci://$origin/$charts" --plain-http
}
files_are_made() {
  hack/release-files.sh "$scratch/context" "$scratch/cce-backup-watch-$version.tgz" "ghcr.io/$image@$(digest "$image:$version")" "$scratch/dist" &&
    cat "$scratch/dist/checksums.txt" && (($(grep -c '\.tar\.gz$' "$scratch/dist/checksums.txt") == $(find "$scratch/context" -name cce-backup-watch | wc -l)))
}
digest() { oras resolve --plain-http "$origin/$1"; }

# --- The page ------------------------------------------------------------------------------------------

# The commands of a section of docs/verify.md that begin with these words, with the lines that they continue on, for what is released here.
commands_of() { # HEADING WORDS
  awk -v heading="## $1" -v words="$2" '
    /^## / { inside = $0 == heading }
    /^```/ { block = !block; on = 0; next }
    inside && block && !on && $0 ~ "^(" words ")" { on = 1 }
    on { print }
    on && !/\\$/ { on = 0 }' docs/verify.md |
    sed -e "s/VERSION/$version/g" -e "s#oci://REGISTRY#oci://$mirror#g" -e "s/REGISTRY/$mirror/g" -e "s#ghcr\.io/#$origin/#g"
}
# Runs them as they are, with cosign, oras and helm told that the registry has no TLS and the signatures no log.
runs_commands() { # HEADING WORDS
  commands_of "$1" "$2" >"$scratch/commands"
  [[ -s $scratch/commands ]] || { printf 'docs/verify.md, %s: no command begins with %s\n' "$1" "$2"; return 1; }
  cat >"$scratch/run" <<'END'
set -e
cosign() {
  local no_log=(--insecure-ignore-tlog --insecure-ignore-sct)
  [[ $* == *--trusted-root* ]] || no_log+=(--trusted-root "$SCRATCH/trusted-root.json")
  [[ $1 != verify ]] || no_log+=(--allow-http-registry)
  command cosign "$@" "${no_log[@]}"
}
oras() { command oras "$@" --from-plain-http --to-plain-http; }
helm() { command "$HELM" "$@" --plain-http; }
cd "$SCRATCH/dist"
[[ -e trusted-root.json ]] || cp ../trusted-root.json .
identity=https://github.com/cce-backup-watch/cce-backup-watch/.github/workflows/release.yaml@refs/tags/vVERSION
issuer=https://token.actions.githubusercontent.com
END
  sed -i "s/VERSION/$version/" "$scratch/run"
  cat "$scratch/commands" >>"$scratch/run"
  SCRATCH=$scratch bash "$scratch/run"
}
is_refused() { # WORDS COMMAND...
  local output
  if output=$("${@:2}" 2>&1); then printf 'it passed: %s\n' "$output"; return 1; fi
  printf '%s\n' "$output"
  grep -F "$1" <<<"$output"
}
another_is_refused() {
  printf 'another chart' >"$scratch/other" && (cd "$scratch" && oras push --plain-http "$origin/$charts/cce-backup-watch:$version" other) || return
  is_refused 'no signatures found' runs_commands 'The signatures' 'cosign verify '
}
changed_checksums_are_refused() {
  cp "$scratch/dist/checksums.txt" "$scratch/kept" && echo x >>"$scratch/dist/checksums.txt" || return
  is_refused 'invalid signature' runs_commands 'The signatures' 'cosign verify-blob'
  local result=$?
  cp "$scratch/kept" "$scratch/dist/checksums.txt"
  return "$result"
}
page_names_the_identity() {
  grep -qF "@refs/tags/vVERSION" docs/verify.md && grep -qF 'issuer=https://token.actions.githubusercontent.com' docs/verify.md
}
# What the page warns of: the first of these tells a person who mirrors that all is well.
cosign_copy_leaves_them_behind() {
  cosign copy --allow-http-registry "$origin/$image:$version" "$mirror/copied:$version" &&
    is_refused 'no signatures found' verifies_at "$mirror/copied:$version"
}
verifies_at() { # REFERENCE
  cosign verify --allow-http-registry --trusted-root "$scratch/trusted-root.json" --insecure-ignore-tlog --insecure-ignore-sct \
    --certificate-identity "$workflow/release.yaml@refs/tags/v$version" --certificate-oidc-issuer "$issuer" "$1"
}
origin_is_away() { kill "${children[0]}"; }
runs_the_image_of_the_mirror() {
  [[ $(kubectl get deployment cce-backup-watch --namespace cce-backup-watch --output jsonpath='{.spec.template.spec.containers[0].image}') == "$mirror/$image:$version" ]]
}

registry_starts "$port" && registry_starts "$mirror_port" || exit 2
readonly workflow=https://github.com/cce-backup-watch/cce-backup-watch/.github/workflows
readonly issuer=https://token.actions.githubusercontent.com

printf '\nBefore the tag\n'
check "one version everywhere: $version" hack/version.sh --check
check 'the builds are there' context_is_there
printf '\nThe tag\n'
check 'an authority certifies the release workflow' authority_is_made
check '  and its identity' authority_certifies "$workflow/release.yaml@refs/tags/v$version" "$issuer" release
check '  and another workflow of the same repository' authority_certifies "$workflow/ci.yaml@refs/heads/main" "$issuer" ci
check 'the image is pushed' image_is_pushed
if ((${#archives[@]} == 1)); then
  skip '  as an index of amd64 and arm64' 'one archive was given'
else
  check '  as an index of amd64 and arm64' has_platforms "$origin/$image:$version"
fi
check 'the chart is pushed' chart_is_pushed
check 'what nobody has signed is refused' is_refused 'no signatures found' runs_commands 'The signatures' 'cosign verify '
check 'what another workflow has signed' signs ci "$image:$version"
check '  and the chart' signs ci "$charts/cce-backup-watch:$version"
check '  is refused' is_refused 'no matching CertificateIdentity found' runs_commands 'The signatures' 'cosign verify '
check 'the image is signed' signs release "$image:$version"
check 'the chart is signed' signs release "$charts/cce-backup-watch:$version"
check 'archives, manifests and checksums are made' files_are_made
check 'the checksums are signed' signs_file release
printf '\nAfter it: docs/verify.md\n'
check 'the page names the identity' page_names_the_identity
check 'image and chart are verified' runs_commands 'The signatures' 'cosign verify '
check 'the archives are verified' runs_commands 'The signatures' 'cosign verify-blob|sha256sum'
check 'changed checksums are refused' changed_checksums_are_refused
check 'both are mirrored' runs_commands 'Without access to the Internet' 'oras cp'
check 'cosign copy would have left the signatures behind' cosign_copy_leaves_them_behind
check 'a chart that is pushed over the signed one is refused' another_is_refused
check 'the origin is away' origin_is_away
check 'the mirror is verified, with a trusted root that was taken along' runs_commands 'Without access to the Internet' 'cosign verify'
for HELM in helm-3 helm-4; do
  export HELM
  check "$HELM installs the chart from the mirror" runs_commands 'Without access to the Internet' 'helm install'
  check '  with the image of the mirror' runs_the_image_of_the_mirror
  check '  and uninstalls it' "$HELM" uninstall cce-backup-watch --namespace cce-backup-watch
done

printf '\nWhat was released\n'
if ((${#archives[@]} == 0)); then
  skip 'the binaries run' 'no image was given'
else
  simulator_starts || exit 2
  for arch in $(cd "$scratch/context" && printf '%s\n' */); do the_binary_works "${arch%/}"; done
fi

conclude
