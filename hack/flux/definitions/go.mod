// Pins the release of Flux' source-controller whose definitions of sources tests/shipped/flux installs. Nothing of it is built, so
// there is nothing to import, and "go mod tidy" would take the requirement away. To move on, change the version and run
// "go mod download github.com/fluxcd/source-controller" with GOFLAGS=-mod=mod.
module cce-backup-watch/hack/flux/definitions

go 1.26.0

require github.com/fluxcd/source-controller v1.9.6
