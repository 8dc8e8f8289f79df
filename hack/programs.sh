#!/usr/bin/env bash
#
# Makes sure that programs are there: hack/programs.sh PROGRAM...
#
# What is missing is installed from Debian's or Ubuntu's packages where that is possible, and named otherwise.
set -euo pipefail

packages=()
for program in "$@"; do
  command -v "$program" >/dev/null && continue
  case $program in
    bwrap) packages+=(bubblewrap) ;;
    dnsmasq) packages+=(dnsmasq-base) ;;
    ip) packages+=(iproute2) ;;
    readelf) packages+=(binutils) ;;
    *) packages+=("$program") ;;
  esac
done
((${#packages[@]} > 0)) || exit 0

if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
  echo "these packages are missing, install them: ${packages[*]}" >&2
  exit 1
fi
echo "installing ${packages[*]}" >&2
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends "${packages[@]}" >/dev/null
