# shellcheck shell=bash
#
# For scripts that check promises: check counts in $passed and $failed and conclude says how many, await waits for something that takes
# a moment, free_port names a port for a server, in_scratch makes a folder in $scratch, unpack_image opens an image, and build_binaries
# has cargo build.

# shellcheck source=hack/await.sh
source hack/await.sh
# shellcheck source=hack/build.sh
source hack/build.sh
# shellcheck source=hack/port.sh
source hack/port.sh

passed=0 failed=0
# Says by name what this machine cannot show, so that it is not taken for shown.
skip() { # WHAT WHY
  printf 'skipped %s: %s\n' "$1" "$2"
}
check() { # WHAT COMMAND...
  local what=$1 output
  shift
  if output=$("$@" 2>&1 </dev/null); then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$what"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$what"
    tail -n 40 <<<"$output" | while read -r; do printf '        %s\n' "$REPLY"; done
  fi
}

# A folder for the script's files. With it go, when the script ends, the processes in $children.
in_scratch() {
  scratch=$(mktemp -d)
  children=()
  trap clean_up EXIT
}
clean_up() {
  ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null
  chmod -R u+w -- "$scratch"
  rm -rf -- "$scratch"
}

# The last line, and the script's exit code.
conclude() {
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
}

# Opens an OCI archive of one image: FOLDER/root has its files, and FOLDER/config.json what it says of itself.
unpack_image() { # ARCHIVE FOLDER
  local manifest layer
  mkdir -p "$2/image" "$2/root"
  tar --extract --file "$1" --directory "$2/image" || return
  blob() { printf '%s/image/blobs/%s' "$1" "${2/:/\/}"; }
  manifest=$(blob "$2" "$(jq --raw-output '.manifests[0].digest' "$2/image/index.json")")
  cp -- "$(blob "$2" "$(jq --raw-output .config.digest "$manifest")")" "$2/config.json" || return
  while read -r layer; do
    tar --extract --auto-compress --file "$(blob "$2" "$layer")" --directory "$2/root" 2>/dev/null ||
      tar --extract --gzip --file "$(blob "$2" "$layer")" --directory "$2/root" || return
  done < <(jq --raw-output '.layers[].digest' "$manifest")
}
