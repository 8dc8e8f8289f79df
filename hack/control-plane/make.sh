# shellcheck shell=bash
#
# Of provision.sh: makes the tools that are nowhere yet. Some are fetched as prebuilt archives, and the others are built from Go modules.
# What is made lies in the cache before found[TOOL] names it.
#
# What provision.sh has set looks unassigned to shellcheck.
# shellcheck disable=SC2154

readonly tell_every=15           # seconds between two signs of life
readonly prebuilt_index=raw.githubusercontent.com   # where setup-envtest reads what there is
readonly prebuilt_answer=20      # seconds that the index of prebuilt archives has to answer
readonly prebuilt_download=300   # seconds that a download may take, once the index has answered
readonly prebuilt='etcd kube-apiserver kubectl'

elapsed() { # SECONDS
  if (($1 < 60)); then printf '%ds' "$1"; else printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); fi
}

scratch=''
child=''
clean_up() {
  [[ -z $child ]] || kill "$child" 2>/dev/null || true
  [[ -z $scratch ]] || rm -rf -- "$scratch"
}

# Runs a command with its output in a log, and reports regularly that it is still running.
attend() { # WHAT LOG COMMAND...
  local what=$1 log=$2 began=$SECONDS told=$SECONDS status=0 doing
  shift 2
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - told >= tell_every)); then
      told=$SECONDS
      doing=$(tail -n 1 -- "$log")
      say "  still $what after $(elapsed $((SECONDS - began))): $(wc -l <"$log") steps done, the last was ${doing:0:80}"
    fi
  done
  wait "$child" || status=$?
  child=''
  return "$status"
}

# Builds tools that differ only in their package by one command: the processors that have nothing to do while one is linked compile
# the next.
build() { # TOOL...
  local name first=$1 names=$* output packages=() began=$SECONDS
  command -v go >/dev/null || die "${names// /, }: neither on PATH nor in $cache, and a build needs Go: install the version that ${module_dir[$first]}/go.mod names, or newer"
  for name; do packages+=("${package[$name]}"); done
  # A folder of its own: go puts a program into whatever folder has the name that it is to have. One program gets its name, and each of
  # several has that of its package.
  output=$(mktemp -d "$scratch/built.XXXXXX")/
  (($# > 1)) || output+=$first
  say "building $(for name; do printf '%s %s ' "$name" "${pinned[$name]}"; done)from Go modules"
  # -v makes the compiler name each package it finishes, which shows the progress.
  if ! attend "building $names" "$scratch/$first.log" \
    env -C "$here/${module_dir[$first]}" -u GOOS -u GOARCH CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly \
    go build -v "${build_flags[@]}" "${cheaper[@]}" -tags "${tags[$first]-}" -ldflags "$(linker_flags "$first")" -o "$output" "${packages[@]}"; then
    tail -n 30 -- "$scratch/$first.log" >&2
    die "building $names failed"
  fi
  if (($# == 1)); then
    keep "$first" "$output"
  else
    for name; do keep "$name" "$output${package[$name]##*/}"; done
  fi
  say "  built $names in $(elapsed $((SECONDS - began)))"
}

# Moves a finished program into the cache. The scratch directory is on the same file system, so this is a
# rename: another process sees the whole program or none.
keep() { # TOOL PATH
  local program
  program=$(store "$1")/$1
  [[ -f $2 && -x $2 ]] || die "$1: what was made is no program: $2"
  mkdir -p -- "${program%/*}"
  # A folder of that name is of use to nobody.
  [[ ! -d $program ]] || rm -rf -- "$program"
  mv -T -- "$2" "$program"
  found[$1]=$program
}

# Fetches the missing tools that the prebuilt archives have. It is no error if the archives cannot be fetched, because the tools
# are then built.
fetch_prebuilt() { # TOOL...
  local name directory minor version setup
  # Where their index cannot be reached, not even setup-envtest is built.
  if [[ -z ${HTTPS_PROXY-}${https_proxy-} ]] && ! timeout "$prebuilt_answer" bash -c ": </dev/tcp/$prebuilt_index/443" 2>/dev/null; then
    say "prebuilt archives of Kubernetes cannot be reached from here"
    return 0
  fi
  if [[ -z ${found[setup-envtest]-} ]]; then build setup-envtest; fi
  setup=${found[setup-envtest]}
  IFS=. read -r _ minor _ <<<"${pinned[kube-apiserver]}"
  say "looking for prebuilt archives of Kubernetes 1.$minor"
  if ! timeout "$prebuilt_answer" "$setup" list "1.$minor.x" >/dev/null 2>"$scratch/prebuilt.log"; then
    say "  they cannot be reached from here"
    return 0
  fi
  if ! attend 'fetching prebuilt archives' "$scratch/prebuilt.log" \
    timeout "$prebuilt_download" "$setup" use "1.$minor.x" --bin-dir "$scratch/prebuilt" --print path; then
    say "  none could be fetched"
    return 0
  fi
  directory=$(find "$scratch/prebuilt" -type f -name kube-apiserver -printf '%h' -quit)
  for name; do
    [[ -x $directory/$name ]] || continue
    version=$(reported_version "$name" "$directory/$name")
    if [[ -n $version ]] && will_do "$name" "$version"; then
      keep "$name" "$directory/$name"
      say "  took $name $version"
    fi
  done
}

provide_missing() { # TOOL...
  local name missing=() wanted_prebuilt=() waited=0
  mkdir -p -- "$cache"
  # One lock for all tools, because two builds at once would only slow each other down. The build inherits the lock, so
  # that the next run waits for an orphaned build if this script is killed.
  exec 9>"$cache/lock"
  until flock -w "$tell_every" 9; do
    waited=$((waited + tell_every))
    say "waiting for another run that is providing tools, $(elapsed "$waited") so far"
  done
  # The run that held the lock before may have made the tools, or may have been killed and left a scratch directory.
  for name; do look_in_cache "$name"; done
  rm -rf -- "$cache"/scratch.*
  for name; do
    [[ -n ${found[$name]-} ]] || missing+=("$name")
  done
  ((${#missing[@]} > 0)) || return 0

  trap 'clean_up; exit 130' INT
  trap 'clean_up; exit 143' TERM HUP
  trap clean_up EXIT
  scratch=$(mktemp -d "$cache/scratch.XXXXXX")
  say "missing: ${missing[*]} (the first build of all takes some minutes, and later runs find it in $cache)"
  for name in "${missing[@]}"; do
    [[ " $prebuilt " != *" $name "* ]] || wanted_prebuilt+=("$name")
  done
  ((${#wanted_prebuilt[@]} == 0)) || fetch_prebuilt "${wanted_prebuilt[@]}"
  build_missing "${missing[@]}"
}

# One build for all that differ only in their package.
build_missing() { # TOOL...
  local name other alike
  for name; do
    [[ -z ${found[$name]-} ]] || continue
    alike=()
    for other; do
      [[ -n ${found[$other]-} || ${module_dir[$other]} != "${module_dir[$name]}" || ${tags[$other]-} != "${tags[$name]-}" ||
        $(linker_flags "$other") != "$(linker_flags "$name")" ]] || alike+=("$other")
    done
    build "${alike[@]}"
  done
}
