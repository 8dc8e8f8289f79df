#!/usr/bin/env bash
#
# Makes sure that programs are there: hack/programs.sh PROGRAM...
#
# What is missing is installed from Debian's or Ubuntu's packages where root or a sudo without a password allows it, and named otherwise.
set -euo pipefail

packages=()
for program in "$@"; do
  command -v "$program" >/dev/null && continue
  case $program in
    # The compiler only recommends the C library that it links.
    aarch64-linux-gnu-gcc) packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross) ;;
    x86_64-linux-gnu-gcc) packages+=(gcc-x86-64-linux-gnu libc6-dev-amd64-cross) ;;
    bwrap) packages+=(bubblewrap) ;;
    dnsmasq) packages+=(dnsmasq-base) ;;
    ip) packages+=(iproute2) ;;
    qemu-*-static) packages+=(qemu-user-static) ;;
    readelf) packages+=(binutils) ;;
    *) packages+=("$program") ;;
  esac
done
((${#packages[@]} > 0)) || exit 0

as_root=(env)
((EUID == 0)) || as_root=(sudo --non-interactive env)
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
  echo "these packages are missing, install them: ${packages[*]}" >&2
  exit 1
fi
echo "installing ${packages[*]}" >&2
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends "${packages[@]}" >/dev/null
