# shellcheck shell=bash
#
# Of hack/test-release.sh: runs what was released, the image of the mirror and the archive, here or by QEMU. The functions are called by
# "check" alone, which looks unreachable to shellcheck.
# shellcheck disable=SC2317,SC2329

# What runs a binary of an architecture on this machine, as the array $run; fails where nothing does.
can_run() { # ARCH
  local machine program
  case $1 in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
  run=()
  [[ $(uname -m) != "$machine" ]] || return 0
  for program in "qemu-$machine" "qemu-$machine-static"; do
    if "$program" --version >/dev/null 2>&1; then run=("$program"); return; fi
  done
  return 1
}
is_pulled() { # ARCH
  skopeo copy --src-tls-verify=false --override-os linux --override-arch "$1" "docker://$mirror/$image:$version" "oci-archive:$scratch/$1.tar" &&
    unpack_image "$scratch/$1.tar" "$scratch/pulled-$1"
}
archive_has_the_same() { # ARCH
  mkdir "$scratch/unpacked-$1" && tar --extract --file "$scratch/dist/cce-backup-watch-$version-linux-$1.tar.gz" --directory "$scratch/unpacked-$1" &&
    cmp "$scratch/unpacked-$1/cce-backup-watch" "$scratch/pulled-$1/root/cce-backup-watch" && cmp "$scratch/unpacked-$1/LICENSE" LICENSE
}
runs() { # ARCH ARGUMENT...
  can_run "$1" && "${run[@]}" "$scratch/unpacked-$1/cce-backup-watch" "${@:2}"
}
says_its_version() { [[ $(runs "$1" --version) == "cce-backup-watch $version" ]]; } # ARCH
prints_its_crd() { runs "$1" crd | diff - "$scratch/dist/clusterbackupwatches.yaml"; } # ARCH
simulator_starts() {
  [[ -z ${cloud-} ]] || return 0
  "$CBW_BIN_DIR/cce-simulator" --access-key AK --secret-key SK >"$scratch/simulator" 2>"$scratch/simulator.log" </dev/null &
  children+=($!)
  await 30 grep -q http:// "$scratch/simulator" && cloud=$(grep -o 'http://[^ ]*' "$scratch/simulator" | head -n 1)
}
polls_as() { # SECRET-KEY ARCH
  HUAWEICLOUD_SDK_AK=AK HUAWEICLOUD_SDK_SK=$1 runs "$2" tasks --region cn-north-4 --region-endpoint "cn-north-4=$cloud" \
    --project-id 0123456789abcdef0123456789abcdef --cluster-id 11111111-2222-3333-4444-555555555555
}
a_wrong_key_is_refused() { # ARCH
  polls_as WRONG "$1"
  [[ $? == 3 ]]
}
the_binary_works() { # ARCH
  check "$1: the image of the mirror is pulled" is_pulled "$1"
  check '  and the archive has the same binary' archive_has_the_same "$1"
  if ! can_run "$1"; then
    skip "  it runs on $1" "this machine is $(uname -m) and has no qemu-user"
    return
  fi
  check '  it says its version' says_its_version "$1"
  check '  it prints the CRD of the release' prints_its_crd "$1"
  check '  it polls a cloud' polls_as SK "$1"
  check '  and knows a wrong key' a_wrong_key_is_refused "$1"
}
