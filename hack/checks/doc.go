// Package checks reads what is shipped with the libraries of those who read it: kstatus, Flux, Argo CD and the Prometheus Operator.
// All of it is in tests, which tests/shipped/templates.rs runs; the package itself is empty.
package checks
