#!/usr/bin/env bash
#
# Builds the operator's image as an OCI archive, without a Docker daemon.
#
#   image.sh [ARCH]              binary and image; prints the archive's path
#   image.sh --context [ARCH]    only the binary and the context of the Dockerfile; prints its path
#
# ARCH is amd64 or arm64, and this machine's without it. The other one, such as arm64 for the nodes with Kunpeng processors, is cross-built
# where rustup has its target and gcc its cross compiler; CBW_BINARY names a binary to package instead, whichever it is for, and
# CBW_PROFILE=dev takes what the tests have built, of which only the binary is linked anew.
#
# The binary is linked statically and carries the list of its dependencies (cargo-auditable), which scanners read as its SBOM.
# The image is made by buildah; or by docker buildx, where a daemon is running. Where there is neither the script ends with 3.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
readonly limit=$((25 * 1024 * 1024))
# shellcheck source=hack/build.sh
source hack/build.sh
readonly profile=${CBW_PROFILE:-release}
# What is no release cannot be taken for one.
if [[ $profile == release ]]; then images=$target/image; else images=$target/image/$profile; fi
readonly images
readonly context=$images/context
# The authorities of the package ca-certificates, and not the machine's bundle, to which somebody may have added others.
readonly authorities=/usr/share/ca-certificates/mozilla

die() { printf 'image.sh: %s\n' "$*" >&2; exit 1; }

context_only=false
if [[ ${1-} == --context ]]; then
  context_only=true
  shift
fi
case $(uname -m) in
  x86_64) own_arch=amd64 ;;
  aarch64) own_arch=arm64 ;;
  *) own_arch=$(uname -m) ;;
esac
readonly own_arch
case ${1-$own_arch} in
  amd64) arch=amd64 machine=x86_64 ;;
  arm64) arch=arm64 machine=aarch64 ;;
  -*) die 'usage: image.sh [--context] [amd64|arm64]' ;;
  *) die "no image is made for ${1-$own_arch}" ;;
esac
readonly triple=$machine-unknown-linux-gnu
maker=none
if $context_only; then
  maker=nobody
# Without root buildah takes a user namespace, which some systems refuse.
elif command -v buildah >/dev/null && { ((EUID == 0)) || buildah unshare true 2>/dev/null; }; then
  maker=buildah
elif docker buildx version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
  maker=docker
fi
# Before minutes go into the binary.
if [[ $maker == none ]]; then
  printf 'image.sh: neither buildah, with root or user namespaces, nor a running Docker with buildx is here: install buildah\n' >&2
  exit 3
fi
[[ -d $authorities ]] || die "$authorities is missing: install the package ca-certificates"

# --- The binary ----------------------------------------------------------------------------------------

if [[ -z ${CBW_BINARY-} ]]; then
  # The musl target cannot be had everywhere. glibc, linked statically, still finds names in /etc/hosts and by DNS: since 2.34
  # it has both built in. --target keeps the flag away from build scripts and macros.
  if [[ $arch != "$own_arch" ]]; then
    # It links, and ring has C and assembler of its own.
    compiler=$machine-linux-gnu-gcc
    command -v "$compiler" >/dev/null || die "$compiler is missing: hack/programs.sh $compiler"
    [[ -d $(rustc --print target-libdir --target "$triple") ]] || die "the standard library for $arch is missing: rustup target add $triple"
    cargo_triple=${triple//-/_}
    export "CARGO_TARGET_${cargo_triple^^}_LINKER=$compiler" "CC_$cargo_triple=$compiler"
  fi
  if [[ $profile == dev ]]; then
    # Another wrapper of the compiler makes cargo build nothing again, as other flags for all that is compiled would.
    RUSTC_WRAPPER=$PWD/hack/link-statically.sh hack/cargo-tool.sh cargo-auditable auditable build --locked --workspace --bin cce-backup-watch >&2
    CBW_BINARY=$target/debug/cce-backup-watch
  else
    RUSTFLAGS="${RUSTFLAGS-} -C target-feature=+crt-static" \
      hack/cargo-tool.sh cargo-auditable auditable build --locked --profile "$profile" --package cce-backup-watch --target "$triple" >&2
    CBW_BINARY=$target/$triple/$profile/cce-backup-watch
  fi
fi
# What the binary is for says the binary. Named after this machine, a foreign one would end on every node with "exec format error".
kind=$(LC_ALL=C readelf --file-header -- "$CBW_BINARY" | sed -n 's/^ *Machine: *//p')
case $kind in
  'Advanced Micro Devices X86-64') arch=amd64 ;;
  AArch64) arch=arm64 ;;
  *) die "$CBW_BINARY is for ${kind:-no machine that readelf knows}, and images are made for amd64 and arm64" ;;
esac
if LC_ALL=C readelf --program-headers -- "$CBW_BINARY" | grep INTERP >/dev/null; then
  die "$CBW_BINARY is not linked statically, and the image has no libraries"
fi

# What another architecture has here stays: the context may hold both. CBW_BINARY may be the one that lies in it.
mkdir -p -- "$context"
install -m 0555 -- "$CBW_BINARY" "$context/binary"
rm -rf -- "${context:?}/$arch" "$context"/{LICENSE,ca-certificates.crt,passwd}
mkdir -- "$context/$arch"
mv -- "$context/binary" "$context/$arch/cce-backup-watch"
install -m 0444 -- LICENSE "$context/LICENSE"
cat -- "$authorities"/*.crt >"$context/ca-certificates.crt"
chmod 0444 "$context/ca-certificates.crt"
printf 'nonroot:x:65532:65532::/:/sbin/nologin\n' >"$context/passwd"
chmod 0444 "$context/passwd"
if $context_only; then
  printf '%s\n' "$context"
  exit
fi

# --- The image -----------------------------------------------------------------------------------------

if [[ $arch == "$own_arch" ]]; then
  version=$("$CBW_BINARY" --version | cut -d ' ' -f 2)
else # one that does not run here
  version=$(hack/version.sh)
fi
[[ -n $version ]] || die "$CBW_BINARY has no version"
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
# The time of the commit, so that the same commit always makes the same image.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
archive=$images/cce-backup-watch-$version-$arch.oci.tar
# The name that the chart uses, so that an image that was imported on a node is found without a tag of its own.
reference=$(awk '/^image:/ { image = 1 } image && $1 == "registry:" { registry = $2 } image && $1 == "repository:" { print registry "/" $2; exit }' \
  charts/cce-backup-watch/values.yaml):$version
rm -f -- "$archive"
arguments=(--platform "linux/$arch" --file Dockerfile --build-arg "VERSION=$version" --build-arg "REVISION=$revision"
  --build-arg "TARGETARCH=$arch")

if [[ $maker == buildah ]]; then
  # A store of its own, which is thrown away; chroot isolation and vfs need no privileges of a container.
  store=$(mktemp -d)
  trap 'chmod -R u+w -- "$store" 2>/dev/null; rm -rf -- "$store"' EXIT
  buildah_here() { buildah --root "$store/root" --runroot "$store/run" --storage-driver vfs "$@"; }
  buildah_here build --isolation chroot --timestamp "$epoch" --tag "$reference" "${arguments[@]}" "$context" >&2
  # No signature policy is needed, because nothing is pulled.
  printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$store/policy.json"
  buildah_here push --quiet --signature-policy "$store/policy.json" "$reference" "oci-archive:$archive:$reference" >&2
else
  SOURCE_DATE_EPOCH=$epoch docker buildx build "${arguments[@]}" --provenance=false --output "type=oci,dest=$archive,name=$reference,rewrite-timestamp=true" "$context" >&2
fi

size=$(stat --format %s -- "$archive")
((size < limit)) || die "$archive has $size bytes, and the limit is $limit"
printf 'image.sh: %s in %s, %d.%d MiB\n' "$reference" "$archive" $((size / 1048576)) $((size % 1048576 * 10 / 1048576)) >&2
printf '%s\n' "$archive"
