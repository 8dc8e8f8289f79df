package checks

import "testing"

func TestExamplesAreYAML(t *testing.T) {
	for _, file := range []string{"docs/gitops.md", "docs/concepts.md", "docs/operations.md", "docs/verify.md", "docs/README.md"} {
		for _, document := range blocks(t, file) {
			if document["apiVersion"] == nil || document["kind"] == nil {
				t.Errorf("%s: an example without apiVersion or kind: %v", file, document)
			}
		}
	}
}
