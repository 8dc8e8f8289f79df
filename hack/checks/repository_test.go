package checks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const chart = "charts/cce-backup-watch"

// path finds a file of the repository.
func path(elements ...string) string {
	return filepath.Join(append([]string{"..", ".."}, elements...)...)
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(path(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readYAML(t *testing.T, into any, elements ...string) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, elements...)), into); err != nil {
		t.Fatalf("%s: %v", filepath.Join(elements...), err)
	}
}

func glob(t *testing.T, elements ...string) []string {
	t.Helper()
	files, err := filepath.Glob(path(elements...))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files (%v)", filepath.Join(elements...), err)
	}
	return files
}

// blocks returns the documents of the YAML blocks in a Markdown file.
func blocks(t *testing.T, elements ...string) []map[string]any {
	t.Helper()
	var documents []map[string]any
	for i, part := range strings.Split(read(t, elements...), "```") {
		block, isYAML := strings.CutPrefix(part, "yaml\n")
		if i%2 == 0 || !isYAML {
			continue
		}
		for _, text := range strings.Split("\n"+block, "\n---\n") {
			var document map[string]any
			if err := yaml.UnmarshalStrict([]byte(text), &document); err != nil {
				t.Errorf("%s: %v in\n%s", filepath.Join(elements...), err, text)
				continue
			}
			documents = append(documents, document)
		}
	}
	return documents
}
