#!/usr/bin/env bash
#
# Runs a cargo tool in the version pinned here, built once into the cache: hack/cargo-tool.sh NAME [ARGUMENT...]
set -euo pipefail

name=${1:?usage: cargo-tool.sh NAME [ARGUMENT...]}
shift
crate=$name
case $name in
  cargo-deny) version=0.20.2 ;;
  cargo-fuzz) version=0.13.2 ;;
  cargo-auditable) version=0.7.7 ;;
  term-transcript) version=0.5.0 crate=term-transcript-cli ;;
  *) echo "cargo-tool: no version of $name is pinned here" >&2; exit 2 ;;
esac

cache=${CBW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cce-backup-watch}/cargo-tools/$name-$version
if [[ ! -x $cache/bin/$name ]]; then
  echo "building $name $version, once" >&2
  # The caller's flags are for what the tool builds and must not change the tool itself. None of them computes much, so none is optimised.
  env -u RUSTFLAGS -u CARGO_BUILD_TARGET -u RUSTC_WRAPPER CARGO_PROFILE_DEV_DEBUG=false cargo install --debug --quiet --locked --root "$cache" --version "$version" "$crate" >&2
fi
exec "$cache/bin/$name" "$@"
