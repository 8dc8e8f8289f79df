#!/usr/bin/env bash
#
# The version has one place, Cargo.toml; whatever else names it is written from there.
#
#   version.sh              prints the version
#   version.sh VERSION      writes this one, into Cargo.toml and into everything that names a version
#   version.sh --check      says where another one is written, or none: a release is made of one number
#
# What `make generate` writes carries the version after that.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
readonly chart=charts/cce-backup-watch
# The examples that name a version, and the chart. Who writes a new one adds its file here; a test looks for what is not listed.
readonly named=("$chart"/{Chart.yaml,README.md.gotmpl,ci/everything-values.yaml,tests/network_test.yaml} config/README.md docs/gates/*
  docs/{README,gitops,verify}.md README.md README.zh-CN.md)

version=$(sed -n '/^\[workspace.package\]$/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
case ${1-} in
  '') printf '%s\n' "$version"; exit ;;
  --check)
    for line in "version: $version" "appVersion: \"$version\""; do
      grep -qx "$line" "$chart/Chart.yaml" || { printf 'version.sh: Cargo.toml has %s, and Chart.yaml no line %s\n' "$version" "$line" >&2; exit 1; }
    done
    hack/release-notes.sh "$version" >/dev/null
    exit ;;
esac

readonly new=$1
[[ $new =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || { printf 'version.sh: %s is not a version such as 1.2.3 or 1.2.3-rc.1\n' "$new" >&2; exit 2; }
series() { local version=${1%%-*}; printf '%s' "${version%.*}"; }
old_series=$(series "$version")
# A part of a longer number is not the version. What follows a series is written as 1.2.x or 1.2.*.
sed -i -E -e "s/(^|[^0-9.])${version//./\\.}($|[^0-9A-Za-z.-])/\1$new\2/g" \
  -e "s/(^|[^0-9.])${old_series//./\\.}\.([x*])/\1$(series "$new").\2/g" "${named[@]}"
sed -i "/^\[workspace.package\]\$/,/^\[/s/^version = .*/version = \"$new\"/" Cargo.toml
# The packages of the workspace are in both lock files; nothing else there is of this version by its name.
sed -i -E "/^name = \"(cce-backup-watch|cce-simulator|cbw-[a-z]+)\"\$/{n;s/^version = \"${version//./\\.}\"\$/version = \"$new\"/}" Cargo.lock fuzz/Cargo.lock
