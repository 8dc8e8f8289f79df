#!/usr/bin/env bash
#
# Makes the files of a release's page: an archive of the binary for each architecture, chart, CRD, the manifests, and the checksums of all.
#
#   release-files.sh CONTEXT CHART IMAGE@DIGEST FOLDER
#
# CONTEXT is that of the Dockerfile, as hack/image.sh makes it; IMAGE@DIGEST is what was pushed and signed, and what install.yaml names.
set -euo pipefail

(($# == 4)) || { sed -n '5,7s/^# *//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
context=$(readlink -e -- "$1") package=$(readlink -e -- "$2") image=${3%@*} digest=${3#*@}
mkdir -p -- "$4"
folder=$(readlink -e -- "$4")
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
version=$(hack/version.sh)
epoch=$(git log -1 --format=%ct 2>/dev/null || echo 0)

for binary in "$context"/*/cce-backup-watch; do
  directory=$(dirname -- "$binary")
  # What has carried the context here may have lost the mode.
  chmod 0755 "$binary"
  tar --create --gzip --file "$folder/cce-backup-watch-$version-linux-${directory##*/}.tar.gz" --sort=name --mtime "@$epoch" --owner=0 --group=0 \
    --numeric-owner --directory "$context" LICENSE --directory "$directory" cce-backup-watch
done
cp -- "$package" crds/clusterbackupwatches.yaml "$folder"
# The image by its digest, which is what the signature is about.
kubectl kustomize config/default | sed "s|image: $image:.*|image: $image:$version@$digest|" >"$folder/install.yaml"
grep -qF "$digest" "$folder/install.yaml" || { printf 'release-files.sh: config/default does not have the image %s\n' "$image" >&2; exit 1; }
cd -- "$folder"
sha256sum -- *.tar.gz *.tgz *.yaml >checksums.txt
