#!/usr/bin/env bash
#
# Runs the demo and draws what it printed: docs/demo.svg, the picture at the top of the README.
#
# Of the output it leaves out the sections whose lines are too long for a picture. What is left is as it was printed, but
# for the folding of the longest line.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
readonly picture=docs/demo.svg
readonly columns=90

scratch=$(mktemp -d "${TMPDIR:-/tmp}/cce-picture.XXXXXX")
trap 'rm -rf -- "$scratch"' EXIT

hack/cargo-tool.sh term-transcript --help >/dev/null # before the demo, so that a failure to build shows first
env --unset=KEEP --unset=CLUSTER hack/demo/run.sh | tee "$scratch/all"

# The sections begin with a heading in bold.
awk '/^\033\[1m# / { shown = /# (The list of clusters|The last backup of prod|The watch follows|What staging says)/ } shown' "$scratch/all" |
  fold --spaces --width="$columns" | sed 's/ *$//' >"$scratch/shown"
for wanted in 'kubectl get clusterbackupwatch --watch' ' Success ' 'BackupHealthy=False BackupFailed' \
  'UpgradeProtected=False UpgradeUnprotected'; do
  grep --quiet --fixed-strings -- "$wanted" "$scratch/shown" ||
    { printf 'picture.sh: the demo did not print "%s"\n' "$wanted" >&2; exit 1; }
done

hack/cargo-tool.sh term-transcript capture --out "$scratch/picture.svg" --pure-svg --window cce-backup-watch \
  --hard-wrap "$columns" --width 760 --font 'ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono' \
  'make demo' <"$scratch/shown"
# Without this, programs other than browsers collapse the spaces between the columns.
sed '0,/<svg /s//<svg xml:space="preserve" /' "$scratch/picture.svg" >"$picture"
printf '\npicture.sh: wrote %s\n' "$picture" >&2
