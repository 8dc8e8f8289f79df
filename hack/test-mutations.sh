#!/usr/bin/env bash
#
# Puts each fault of histories/mutations.tsv back and searches histories until a promise is broken. One that is not found in time must break
# one of the histories that are kept in histories/tests/found.rs. Otherwise the script fails: as a regression it would not be caught either.
#
#   test-mutations.sh [TROUBLE]     all, or those whose text holds TROUBLE
#
# One build holds all of them: in a copy of the committed sources each OLD becomes `if mutation(N) { NEW } else { OLD }`, and the
# environment variable MUTATION says which N is on. MINUTES is how long to search for each (default 3). The last line is
# "N found, N not found".
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
hack/programs.sh perl
readonly only=${1-} minutes=${MINUTES:-3} copy=target/mutations table=histories/mutations.tsv
readonly sources=$copy/sources search=$copy/cbw-histories

rm -rf "$sources" && mkdir -p "$sources"
git archive HEAD | tar -xm -C "$sources"
cat >>"$sources/src/lib.rs" <<'RUST'

/// Whether the fault of this number is put back.
#[must_use]
pub fn mutation(n: u32) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("MUTATION").ok()?.parse().ok()) == Some(n)
}
RUST

# The number of a fault is that of its line in the table. That each mark and each text is there once is a test of
# `cargo test --package cbw-histories`.
n=0
while IFS=$'\t' read -r trouble mark old new; do
  n=$((n + 1))
  [[ -z $trouble || $trouble == \#* ]] && continue
  file=$(grep --recursive --files-with-matches "// mark: $mark\$" "$sources/src")
  MARK=$mark OLD=$old NEW="(if crate::mutation($n) { $new } else { $old })" \
    perl -pi -e 's/\Q$ENV{OLD}\E/$ENV{NEW}/ if m{// mark: \Q$ENV{MARK}\E$}' -- "$file"
done <"$table"

# With a target directory of its own: cargo tells packages of a workspace apart by their path in it, so in a shared one it takes
# what was built of the copy for what was built of the repository.
in_copy() { # COMMAND OPTION...
  CARGO_TARGET_DIR=$copy/target cargo "$@" --locked --profile histories --manifest-path "$sources/Cargo.toml" --package cbw-histories
}
# Tests need the program, so it is built along with them.
in_copy test --test found --no-run 2>"$copy/build.log" || { grep -A 12 '^error' "$copy/build.log" >&2; exit 1; }
mv "$copy/target/histories/cbw-histories" "$search"

if ! said=$("$search" --histories 1000); then
  printf 'without any fault a promise is broken: %s\n' "$said" >&2
  exit 1
fi
n=0 found=0 missed=0
while IFS=$'\t' read -r trouble _; do
  n=$((n + 1))
  [[ -z $trouble || $trouble == \#* || $trouble != *"$only"* ]] && continue
  if said=$(MUTATION=$n "$search" --histories 100000000 --minutes "$minutes" 2>"$copy/search.log"); then
    searched=$(sed -n '1s/ from.*//p' <<<"$said")
    kept=$(MUTATION=$n in_copy test --test found 2>/dev/null | sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' || true)
    if [[ -n $kept ]]; then
      printf 'found      %s: not in %s, but by %s\n' "$trouble" "$searched" "${kept//$'\n'/, }"
      found=$((found + 1))
    else
      printf 'NOT FOUND  %s: in %s\n' "$trouble" "$searched"
      missed=$((missed + 1))
    fi
  else
    printf 'found      %s: after %s, "%s"\n' "$trouble" "$(sed -n '1s/ from.*//p' <<<"$said")" \
      "$(sed -n 's/^broken: *[0-9.]* s *\([^:]*\):.*/\1/p' <<<"$said")"
    found=$((found + 1))
  fi
done <"$table"
printf '%d found, %d not found\n' "$found" "$missed"
((missed == 0))
