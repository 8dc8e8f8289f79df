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

# Flags of every build. The repository's own state must not get into the binaries, so that one cache
# serves every commit; hence no VCS stamp and no work tree paths.
readonly build_flags=(-trimpath -buildvcs=false)
# What makes a build cheaper and no program another one, so that it is no part of a name in the cache. The linker leaves the
# tables of a debugger out, so the compiler need not make them. Most of what is Kubernetes' own is generated code that runs once
# or never, and is not worth inlining.
readonly cheaper=(-gcflags=all=-dwarf=false '-gcflags=k8s.io/...=-dwarf=false -l')

say() { printf 'control-plane: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# shellcheck source=hack/control-plane/make.sh
source "$here/make.sh"

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
  [[ ! -f "$(store "$1")/$1" || ! -x "$(store "$1")/$1" ]] || found[$1]="$(store "$1")/$1"
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
