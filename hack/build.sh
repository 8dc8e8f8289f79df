# shellcheck shell=bash
#
# For scripts that run what cargo builds here. They are in the root of the repository.

# The folder that cargo builds into.
readonly target=${CARGO_TARGET_DIR:-target}

# Builds these binaries, and sets $CBW_BIN_DIR to their folder. Whoever has them already names it, and nothing is built. --workspace, so
# that no dependency is built a second time with other features than the tests'.
build_binaries() { # BINARY...
  [[ -z ${CBW_BIN_DIR-} ]] || return 0
  cargo build --locked --quiet --workspace "${@/#/--bin=}" || return
  CBW_BIN_DIR=$(readlink -f -- "$target/debug")
  export CBW_BIN_DIR
}
