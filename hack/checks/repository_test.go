package checks

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

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
