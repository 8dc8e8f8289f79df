#!/usr/bin/env bash
#
# Prints the section of CHANGELOG.md for one version.
#
#   release-notes.sh VERSION [FILE]
#
# A version without a section, or with an empty one, is an error, because the release would say nothing about its changes.
set -euo pipefail

(($# > 0)) || { printf 'usage: release-notes.sh VERSION [FILE]\n' >&2; exit 2; }
notes=$(awk -v version="$1" '
  /^## / { wanted = ($2 == version || $2 == "[" version "]"); next }
  wanted' "${2:-$(dirname -- "${BASH_SOURCE[0]}")/../CHANGELOG.md}")
[[ $notes =~ [^[:space:]] ]] || { printf 'release-notes.sh: CHANGELOG.md says nothing of %s\n' "$1" >&2; exit 1; }
# Without the empty lines around it.
sed -e '/./,$!d' <<<"$notes"
