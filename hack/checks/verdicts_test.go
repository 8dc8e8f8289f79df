package checks

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

type verdict struct {
	situation, kstatus, argocd, argocdStrict, flux string
	resource                                       *unstructured.Unstructured
}

// verdicts reads tests/gitops/verdicts.txt, which explains itself.
func verdicts(t *testing.T) []verdict {
	t.Helper()
	var all []verdict
	for _, line := range strings.Split(read(t, "tests/gitops/verdicts.txt"), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "|")
		if len(fields) != 6 {
			t.Fatalf("not six fields: %s", line)
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		resource, err := resource(fields[1])
		if err != nil {
			t.Fatalf("%s: %v", fields[0], err)
		}
		all = append(all, verdict{
			situation: fields[0], resource: resource, kstatus: fields[2],
			argocd: fields[3], argocdStrict: fields[4], flux: fields[5],
		})
	}
	if len(all) == 0 {
		t.Fatal("no verdicts")
	}
	return all
}

func resource(text string) (*unstructured.Unstructured, error) {
	generation, observed := int64(1), int64(1)
	hasStatus := true
	var conditions []any
	for _, word := range strings.Fields(text) {
		key, rest, _ := strings.Cut(word, "=")
		value, detail, _ := strings.Cut(rest, "/")
		switch key {
		case "generation":
			var err error
			if generation, err = strconv.ParseInt(value, 10, 64); err != nil {
				return nil, err
			}
			if observed, err = strconv.ParseInt(detail, 10, 64); err != nil {
				return nil, err
			}
		case "status":
			hasStatus = false
		default:
			if detail == "" {
				return nil, fmt.Errorf("cannot read %q", word)
			}
			conditions = append(conditions, map[string]any{
				"type": key, "status": value, "reason": detail, "message": "as the operator says",
				"observedGeneration": observed, "lastTransitionTime": "2026-01-01T00:00:00Z",
			})
		}
	}
	object := map[string]any{
		"apiVersion": "cce.backupwatch.io/v1alpha1",
		"kind":       "ClusterBackupWatch",
		"metadata": map[string]any{
			"name": "prod", "namespace": "platform", "generation": generation,
			// kstatus gives a fresh resource some seconds.
			"creationTimestamp": "2026-01-01T00:00:00Z",
		},
	}
	if hasStatus {
		object["status"] = map[string]any{"observedGeneration": observed}
		if conditions != nil {
			object["status"].(map[string]any)["conditions"] = conditions
		}
	}
	return &unstructured.Unstructured{Object: object}, nil
}

func TestKstatusReadsEachVerdict(t *testing.T) {
	for _, verdict := range verdicts(t) {
		t.Run(verdict.situation, func(t *testing.T) {
			result, err := status.Compute(verdict.resource)
			if err != nil {
				t.Fatal(err)
			}
			if result.Status.String() != verdict.kstatus {
				t.Errorf("kstatus says %s (%s), %s is wanted", result.Status, result.Message, verdict.kstatus)
			}
		})
	}
}

func TestFluxReadsEachVerdictByTheDocumentedExpressions(t *testing.T) {
	var expressions []kustomize.CustomHealthCheck
	for _, block := range strings.Split(read(t, "docs/gitops.md"), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for _, text := range strings.Split(block, "\n---\n") {
			var document struct {
				Spec struct{ HealthCheckExprs json.RawMessage }
			}
			if err := yaml.Unmarshal([]byte(text), &document); err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if checks := document.Spec.HealthCheckExprs; checks == nil {
				continue
			} else if err := yaml.UnmarshalStrict(checks, &expressions); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(expressions) != 1 {
		t.Fatalf("docs/gitops.md has %d healthCheckExprs, 1 is wanted", len(expressions))
	}
	evaluator, err := cel.NewStatusEvaluator(&expressions[0].HealthCheckExpressions)
	if err != nil {
		t.Fatal(err)
	}
	for _, verdict := range verdicts(t) {
		if verdict.flux == "-" {
			continue
		}
		t.Run(verdict.situation, func(t *testing.T) {
			result, err := evaluator.Evaluate(t.Context(), verdict.resource)
			if err != nil {
				t.Fatal(err)
			}
			if result.Status.String() != verdict.flux {
				t.Errorf("the expressions say %s, %s is wanted", result.Status, verdict.flux)
			}
		})
	}
}
