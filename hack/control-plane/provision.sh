#!/usr/bin/env bash
#
# Makes sure that the programs of a test control plane exist, and prints the directory that holds them.
#
#   provision.sh [--kubernetes MINOR] [TOOL...]      default: etcd kube-apiserver kubectl helm
#
# MINOR is a version such as 1.31 that has a directory modules/kubernetes-MINOR; the servers and kubectl are then of that
# version.
#
# The tools and their versions are in tools.txt and the go.mod files it names. Each tool is taken from the
# first place that has it in a version that will do: $KUBEBUILDER_ASSETS, PATH, the cache, the prebuilt
# archives that setup-envtest fetches, and last a build from Go modules. Standard output is one line, the
# directory; everything else goes to standard error.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly cache="${CBW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cce-backup-watch}/control-plane"
readonly tell_every=15           # seconds between two signs of life
readonly prebuilt_index=raw.githubusercontent.com   # where setup-envtest reads what there is
readonly prebuilt_answer=20      # seconds that the index of prebuilt archives has to answer
readonly prebuilt_download=300   # seconds that a download may take, once the index has answered
readonly prebuilt='etcd kube-apiserver kubectl'

# Flags of every build. The repository's own state must not get into the binaries, so that one cache
# serves every commit; hence no VCS stamp and no work tree paths.
readonly build_flags=(-trimpath -buildvcs=false)
# What makes a build cheaper and no program another one, so that it is no part of a name in the cache. The linker leaves the
# tables of a debugger out, so the compiler need not make them. Most of what is Kubernetes' own is generated code that runs once
# or never, and is not worth inlining.
readonly cheaper=(-gcflags=all=-dwarf=false '-gcflags=k8s.io/...=-dwarf=false -l')

say() { printf 'control-plane: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

elapsed() { # SECONDS
  if (($1 < 60)); then printf '%ds' "$1"; else printf '%dm%02ds' $(($1 / 60)) $(($1 % 60)); fi
}

# --- The table -----------------------------------------------------------------------------------------

declare -A declared_dir module_dir package version_module accept stamp stamp_flags tags

read_table() {
  local kind name rest
  while read -r kind name rest; do
    case $kind in
      tool)
        read -r "declared_dir[$name]" "package[$name]" "version_module[$name]" "accept[$name]" "stamp[$name]" <<<"$rest"
        module_dir[$name]=${declared_dir[$name]}
        ;;
      stamp) stamp_flags[$name]=$rest ;;
      tags) tags[$name]=$rest ;;
      '' | '#'*) ;;
      *) die "tools.txt: a line starts with neither tool, stamp nor tags: $kind" ;;
    esac
  done <"$here/tools.txt"
}

# Takes the tools of Kubernetes from another module than the one in tools.txt.
use_kubernetes() { # MINOR
  local dir=modules/kubernetes-$1 name
  [[ $release != "v$1".* ]] || return 0
  [[ -f $here/$dir/go.mod ]] ||
    die "no Kubernetes $1 is pinned, there are: ${release%.*} $(cd "$here/modules" && printf 'v%s ' kubernetes-* | sed 's/kubernetes-//g')"
  for name in "${!package[@]}"; do
    [[ ${declared_dir[$name]} != . || ${version_module[$name]} != k8s.io/kubernetes ]] || module_dir[$name]=$dir
  done
}

# The version that the tool's go.mod pins, such as v1.36.3.
declare -A pinned
find_pinned() { # TOOL
  local module=${version_module[$1]} path version comment
  while read -r path version comment; do
    [[ $path != require ]] || read -r path version comment <<<"$version $comment"
    if [[ $path == "$module" && $version == v* ]]; then
      pinned[$1]=$version
      return
    fi
  done <"$here/${module_dir[$1]}/go.mod"
  die "${module_dir[$1]}/go.mod requires no $module"
}

linker_flags() { # TOOL
  local version=${pinned[$1]} flags=${stamp_flags[${stamp[$1]}]-} major minor
  IFS=. read -r major minor _ <<<"${version#v}"
  flags=${flags//VERSION/$version}
  flags=${flags//MAJOR/$major}
  flags=${flags//MINOR/$minor}
  printf '%s' "-s -w $flags"
}

# The directory of the cache for the tools of one module. Its name contains everything that changes a binary, so that a
# checkout with other versions has its own directory, and an edit that changes no binary costs no build.
declare -A store_of_module
find_store() { # TOOL
  local dir=${module_dir[$1]} name version=${pinned[$1]} other hash
  [[ -z ${store_of_module[$dir]-} ]] || return 0
  hash=$(
    {
      cat "$here/$dir/go.mod" "$here/$dir/go.sum"
      printf '%s\n' "${build_flags[@]}"
      for other in "${!package[@]}"; do
        [[ ${declared_dir[$other]} != "$dir" && ${module_dir[$other]} != "$dir" ]] || printf '%s %s%s\n' "${package[$other]}" "${stamp_flags[${stamp[$other]}]-}" "${tags[$other]-}"
      done | sort
    } | sha256sum
  )
  name=${dir##*/}
  if [[ $name == . ]]; then
    name=kubernetes version=$release
  fi
  store_of_module[$dir]="$cache/$name-$version-$platform-${hash:0:12}"
}
store() { printf '%s' "${store_of_module[${module_dir[$1]}]}"; } # TOOL

# --- Programs that are there already -------------------------------------------------------------------

# The version a program reports, as MAJOR.MINOR; nothing where it does not run.
reported_version() { # TOOL PATH
  local arguments=(--version) output
  case $1 in
    kubectl) arguments=(version --client) ;;
    helm) arguments=(version --short) ;;
  esac
  output=$(timeout 10 "$2" "${arguments[@]}" 2>/dev/null </dev/null) || return 0
  [[ $output =~ ([0-9]+\.[0-9]+)\.[0-9]+ ]] && printf '%s' "${BASH_REMATCH[1]}"
  return 0
}

will_do() { # TOOL MAJOR.MINOR
  local want=${pinned[$1]#v} major minor want_major want_minor
  IFS=. read -r want_major want_minor _ <<<"$want"
  IFS=. read -r major minor <<<"$2"
  [[ $major == "$want_major" ]] || return 1
  case ${accept[$1]} in
    same) ((minor == want_minor)) ;;
    skew) ((minor >= want_minor - 1 && minor <= want_minor + 1)) ;;
    newer) ((minor >= want_minor)) ;;
    *) return 1 ;;
  esac
}

# Sets found[TOOL] to the first program in $KUBEBUILDER_ASSETS or on PATH that will do.
declare -A found
look_around() { # TOOL
  local candidate version seen=''
  [[ ${accept[$1]} != never ]] || return 0
  while read -r candidate; do
    [[ -f $candidate && -x $candidate ]] || continue
    candidate=$(readlink -f -- "$candidate")
    [[ $seen != *":$candidate:"* ]] || continue
    seen+=":$candidate:"
    # A run inside of a run finds the cache on PATH, where nothing needs to be asked.
    if [[ $candidate == "$(store "$1")/$1" ]]; then
      found[$1]=$candidate
      return
    fi
    version=$(reported_version "$1" "$candidate")
    if [[ -n $version ]] && will_do "$1" "$version"; then
      found[$1]=$candidate
      return
    fi
    # This is reported only if the variable was set or a build follows, because then the user needs to know why.
    if [[ -n ${KUBEBUILDER_ASSETS-} || ! -x "$(store "$1")/$1" ]]; then
      say "not using $candidate: ${version:-no version} where ${pinned[$1]} is wanted"
    fi
  done < <(
    [[ -z ${KUBEBUILDER_ASSETS-} ]] || printf '%s\n' "$KUBEBUILDER_ASSETS/$1"
    type -aP -- "$1" || true
  )
}

look_in_cache() { # TOOL
  [[ ! -x "$(store "$1")/$1" ]] || found[$1]="$(store "$1")/$1"
}

# --- Programs that have to be made ---------------------------------------------------------------------

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
  local name first=$1 names=$* output=$scratch/built packages=() began=$SECONDS
  command -v go >/dev/null || die "${names// /, }: neither on PATH nor in $cache, and a build needs Go: install the version that ${module_dir[$first]}/go.mod names, or newer"
  for name; do packages+=("${package[$name]}"); done
  # One program gets its name. Several go into a directory, where each has the name of its package.
  (($# == 1)) || output+=/
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
  mkdir -p -- "$(store "$1")"
  mv -- "$2" "$(store "$1")/$1"
  found[$1]="$(store "$1")/$1"
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

# --- The answer ----------------------------------------------------------------------------------------

# Prints a directory that has all the tools: the one they share, or else one of links, named after what it
# links to, so that it is made once and never changes.
print_directory() { # TOOL...
  local name shared='' view temporary
  for name; do
    if [[ ${found[$name]##*/} != "$name" || (-n $shared && ${found[$name]%/*} != "$shared") ]]; then
      shared=''
      break
    fi
    shared=${found[$name]%/*}
  done
  if [[ -n $shared ]]; then
    printf '%s\n' "$shared"
    return
  fi
  view=$(for name; do printf '%s %s\n' "$name" "${found[$name]}"; done | sort -u | sha256sum)
  view="$cache/links-${view:0:12}"
  if [[ ! -d $view ]]; then
    mkdir -p -- "$cache"
    temporary=$(mktemp -d "$cache/links.XXXXXX")
    chmod 755 "$temporary"
    for name; do ln -sf -- "${found[$name]}" "$temporary/$name"; done
    # If another run was first, mv fails and the directory of that run is the same.
    mv -T -- "$temporary" "$view" 2>/dev/null || rm -rf -- "$temporary"
  fi
  printf '%s\n' "$view"
}

main() {
  local name command missing=()
  for command in flock sha256sum timeout readlink; do
    command -v "$command" >/dev/null || die "$command is missing: install util-linux and coreutils"
  done
  platform=$(uname -sm)
  platform=${platform// /-}
  readonly platform=${platform,,}
  ((BASH_VERSINFO[0] >= 5)) || die "bash 5 or newer is needed, this is $BASH_VERSION"

  read_table
  # What tools.txt pins, as a whole, goes by the server's version.
  find_pinned kube-apiserver
  readonly release=${pinned[kube-apiserver]}
  if [[ ${1-} == --kubernetes ]]; then
    use_kubernetes "${2:?usage: provision.sh --kubernetes MINOR}"
    find_pinned kube-apiserver
    shift 2
  fi
  (($# > 0)) || set -- etcd kube-apiserver kubectl helm
  for name in setup-envtest "$@"; do
    [[ -n ${package[$name]-} ]] || die "unknown tool $name, known are: $(printf '%s\n' "${!package[@]}" | sort | xargs)"
    find_pinned "$name"
    find_store "$name"
  done

  for name; do look_around "$name"; done
  for name in setup-envtest "$@"; do
    [[ -n ${found[$name]-} ]] || look_in_cache "$name"
  done
  for name; do
    [[ -n ${found[$name]-} ]] || missing+=("$name")
  done
  ((${#missing[@]} == 0)) || provide_missing "${missing[@]}"
  print_directory "$@"
}

main "$@"
