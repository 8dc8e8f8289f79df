# shellcheck shell=bash
#
# For hack/test-node.sh: the cgroups of the node's pods. When a namespace ends, its mounts, processes and networks go, but its
# cgroups stay. So the pods get a cgroup of their own, named after the pid of the script, which is removed with all that is in it.

readonly cgroup_prefix=cbw-node.
# The controllers that the kubelet uses where the machine has them.
readonly controllers='cpu cpuset hugetlb memory pids'

# Succeeds if there is one hierarchy for all controllers (version 2), and fails if each has its own.
unified() { [[ $(stat --file-system --format %T /sys/fs/cgroup 2>/dev/null) == cgroup2fs ]]; }

hierarchies() {
  if unified; then
    echo /sys/fs/cgroup
  else
    awk '($3 == "cgroup" || $3 == "cgroup2") && $2 ~ "^/sys/fs/cgroup/" { print $2 }' /proc/mounts
  fi
}

# Prints the reasons why the machine's cgroups cannot be used, one a line.
cgroup_obstacles() {
  local directory name found=0
  while read -r directory; do
    found=1
    [[ -w $directory/cgroup.procs ]] && mkdir -- "$directory/$cgroup_prefix$$" 2>/dev/null && rmdir -- "$directory/$cgroup_prefix$$" ||
      printf 'no cgroup can be made in %s\n' "$directory"
  done < <(hierarchies)
  ((found == 1)) || echo 'no cgroups are mounted in /sys/fs/cgroup'
  for name in cpu cpuset memory pids; do
    if unified; then
      grep -qw "$name" /sys/fs/cgroup/cgroup.controllers
    else
      hierarchies | grep -qE "[/,]$name(,|\$)"
    fi || printf 'there is no cgroup controller %s\n' "$name"
  done
}

# The controllers that make_cgroup enabled for the children of a single hierarchy.
added=()
make_cgroup() {
  local directory name
  if unified; then
    for name in $controllers; do
      grep -qw "$name" /sys/fs/cgroup/cgroup.controllers || continue
      ! grep -qw "$name" /sys/fs/cgroup/cgroup.subtree_control || continue
      if ! { echo "+$name" >/sys/fs/cgroup/cgroup.subtree_control; } 2>/dev/null; then
        printf 'the cgroup controller %s cannot be passed on from /sys/fs/cgroup; in a container its processes are in the way\n' "$name" >&2
        return 1
      fi
      added+=("$name")
    done
  fi
  while read -r directory; do
    mkdir -- "$directory/$cgroup_prefix$$" || return
  done < <(hierarchies)
}

left_over_cgroups() { hierarchies | while read -r; do find "$REPLY" -depth -type d -path "$REPLY/$cgroup_prefix$1*"; done; } # PID

# Tries repeatedly, because a cgroup cannot be removed while its last processes are still ending.
remove_cgroups() { # PID
  local try directories name
  for ((try = 0; try < 100; try++)); do
    mapfile -t directories < <(left_over_cgroups "$1")
    if ((${#directories[@]} == 0)); then
      # If another child uses a controller by now, this fails and the controller stays enabled.
      for name in "${added[@]}"; do echo "-$name" >/sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null
      added=()
      return 0
    fi
    rmdir -- "${directories[@]}" 2>/dev/null
    sleep 0.1
  done
  printf 'these cgroups could not be removed: %s\n' "${directories[*]}" >&2
  return 1
}

# Removes the cgroups of runs that were killed.
remove_stale_cgroups() {
  local directory pid
  while read -r directory; do
    for directory in "$directory/$cgroup_prefix"*; do
      pid=${directory##*.}
      [[ ! -d $directory || -d /proc/$pid ]] || remove_cgroups "$pid"
    done
  done < <(hierarchies)
}
