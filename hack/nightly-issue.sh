#!/usr/bin/env bash
#
# Prints the issue for what a nightly run has found: the title, an empty line, and a body with the command that shows it again.
#
#   nightly-issue.sh JOB COMMIT LOG [INPUT]
#
# JOB is histories, fuzz or the name of another job of .github/workflows/nightly.yaml, COMMIT what it ran on, LOG what it printed.
# INPUT is the input that the fuzzer has found.
set -euo pipefail

(($# == 3 || $# == 4)) || { sed -n '5s/^# */usage: /p' "${BASH_SOURCE[0]}" >&2; exit 2; }
readonly job=$1 commit=$2 log=$3 input=${4-}

# The last line of the log that begins so, without that.
last() { # WORDS
  sed -n "s/^$1//p" "$log" | tail -n 1
}

case $job in
  histories)
    again=$(last 'to see it: ')
    seed=$(grep -o -- '--seed [0-9]*' <<<"$again" | head -n 1) || true
    title="A history breaks a promise${seed:+: $seed}"
    commands="cargo build --locked --profile histories --package cbw-histories
target/histories/cbw-histories ${again:-(the log names no seed)}"
    ;;
  fuzz)
    target=$(grep -o 'fuzz_targets/[a-z_]*' "$log" | tail -n 1) || true
    target=${target#fuzz_targets/}
    title="The fuzzer breaks ${target:=answer_to_plan}: $(last '.*panicked at ')"
    commands="cargo +nightly fuzz run $target found"
    if [[ -n $input ]]; then
      commands="base64 --decode >found <<'END'
$(base64 "$input")
END
$commands"
    fi
    ;;
  *)
    title="The nightly run fails: $job"
    commands=$(last 'command: ')
    ;;
esac

# A title is one line, and GitHub takes 256 characters.
title=$(tr -d '\r' <<<"$title" | head -n 1)
printf '%s\n\n' "${title:0:200}"
# shellcheck disable=SC2016 # the marks of a block of code
printf 'The nightly run of %s found this at %s.\n\n```sh\ngit checkout %s\n%s\n```\n\nThe end of its log:\n\n' "$(date --utc +%F)" "$commit" "$commit" "$commands"
# Indented, it is code whatever is in it. A body may have 65,536 characters.
tail -n 60 "$log" | cut -c 1-500 | sed 's/^/    /'
