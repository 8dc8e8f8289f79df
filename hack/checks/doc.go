// Package checks holds checks of what is shipped beside the operator: the chart's values, the dashboard, and how kstatus and
// Flux read the resource. All of it is in tests; the package itself is empty.
package checks
