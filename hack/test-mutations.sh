#!/usr/bin/env bash
#
# Puts each fault of histories/mutations.tsv back, one at a time, into a copy of the committed sources, and searches histories until
# a promise is broken. A fault that is not found in time fails the script, because the histories would not catch it as a regression
# either.
#
#   test-mutations.sh [TROUBLE]     all, or those whose text holds TROUBLE
#
# MINUTES is how long to search for each (default 3). The last line is "N found, N not found".
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
hack/programs.sh perl
readonly only=${1-} minutes=${MINUTES:-3} copy=target/mutations
found=0 missed=0

# Replaces a text in the one line under src/ that ends with a mark. That each mark and each text stands there once is a test of
# `cargo test --package cbw-histories`.
replace() { # DIRECTORY MARK OLD NEW
  local file
  file=$(grep --recursive --files-with-matches "// mark: $2\$" "$1/src") || { printf 'no line has the mark "%s"\n' "$2" >&2; return 1; }
  MARK=$2 OLD=$3 NEW=$4 perl -pi -e 's/\Q$ENV{OLD}\E/$ENV{NEW}/ if m{// mark: \Q$ENV{MARK}\E$}' -- "$file"
}

mkdir -p "$copy/sources"
while IFS=$'\t' read -r trouble mark old new; do
  [[ -z $trouble || $trouble == \#* || $trouble != *"$only"* ]] && continue
  # Unchanged files keep their modification time, so that cargo rebuilds only what the fault touches.
  git archive --format=tar --output "$copy/sources.tar" HEAD
  mkdir -p "$copy/fresh" && tar -C "$copy/fresh" -xf "$copy/sources.tar"
  replace "$copy/fresh" "$mark" "$old" "$new"
  while IFS= read -r name; do
    cmp -s "$copy/fresh/$name" "$copy/sources/$name" && continue
    mkdir -p "$copy/sources/$(dirname -- "$name")"
    cp "$copy/fresh/$name" "$copy/sources/$name"
  done < <(tar -tf "$copy/sources.tar" | grep -v '/$')
  rm -rf "$copy/fresh"
  if ! CARGO_TARGET_DIR=$copy/target \
    cargo build --quiet --locked --profile histories --manifest-path "$copy/sources/Cargo.toml" --package cbw-histories \
    2>"$copy/build.log"; then
    printf 'BROKEN     %s: it does not build, see %s\n' "$trouble" "$copy/build.log"
    missed=$((missed + 1))
    continue
  fi
  if said=$("$copy/target/histories/cbw-histories" --histories 100000000 --minutes "$minutes"); then
    printf 'NOT FOUND  %s\n' "$trouble"
    missed=$((missed + 1))
  else
    printf 'found      %s: after %s, "%s"\n' "$trouble" "$(sed -n '1s/ from.*//p' <<<"$said")" \
      "$(sed -n 's/^broken: *[0-9.]* s *\([^:]*\):.*/\1/p' <<<"$said")"
    found=$((found + 1))
  fi
done <histories/mutations.tsv
printf '%d found, %d not found\n' "$found" "$missed"
((missed == 0))
