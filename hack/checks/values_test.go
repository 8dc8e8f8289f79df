package checks

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// leaves adds the paths of all values that are no maps. An empty map is a leaf: what it takes is the user's.
func leaves(into map[string]bool, prefix string, value any) {
	if fields, isMap := value.(map[string]any); isMap && (len(fields) > 0 || prefix == "") {
		for key, field := range fields {
			leaves(into, strings.TrimPrefix(prefix+"."+key, "."), field)
		}
		return
	}
	into[prefix] = true
}

// covers tells whether a value, or something in it, or the whole that it is a part of, is among the paths.
func covers(paths map[string]bool, value string) bool {
	for path := range paths {
		if path == value || strings.HasPrefix(path, value+".") {
			return true
		}
	}
	return false
}

func TestEveryValueIsUsedByAFileOfCI(t *testing.T) {
	var values map[string]any
	readYAML(t, &values, chart, "values.yaml")
	known := map[string]bool{}
	leaves(known, "", values)

	set := map[string]bool{}
	for _, file := range glob(t, chart, "ci/*.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var values map[string]any
		if err := yaml.UnmarshalStrict(text, &values); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		leaves(set, "", values)
	}
	var missing []string
	for value := range known {
		// Of what is passed whole, one part will do.
		if parts := strings.Split(value, "."); isPassedWhole(parts) {
			value = strings.Join(parts[:wholeAt(parts)], ".")
		}
		if !covers(set, value) {
			missing = append(missing, value)
		}
	}
	sort.Strings(missing)
	if len(missing) > 0 {
		t.Errorf("no file in ci/ sets %s", strings.Join(missing, ", "))
	}
}

func TestEveryValueIsUsedByATemplate(t *testing.T) {
	var values map[string]any
	readYAML(t, &values, chart, "values.yaml")
	var templates strings.Builder
	for _, file := range glob(t, chart, "templates/*") {
		templates.WriteString(read(t, strings.TrimPrefix(file, path()+string(filepath.Separator))))
	}
	known := map[string]bool{}
	leaves(known, "", values)
	for value := range known {
		// Templates reach some values through a variable, so the last part alone is looked for.
		parts := strings.Split(value, ".")
		if !regexp.MustCompile(`\.`+parts[len(parts)-1]+`\b`).MatchString(templates.String()) && !isPassedWhole(parts) {
			t.Errorf("no template uses %s", value)
		}
	}
}

// isPassedWhole tells of values that are written out as they are, together with what is in them.
func isPassedWhole(path []string) bool {
	switch path[0] {
	case "podSecurityContext", "securityContext", "resources", "livenessProbe", "readinessProbe", "nodeSelector":
		return true
	case "dashboard":
		return path[1] == "labels"
	case "scheduledBackup", "test":
		return path[1] == "resources"
	}
	return false
}

// wholeAt is the number of parts that name the value which is passed whole.
func wholeAt(path []string) int {
	if path[0] == "dashboard" || path[0] == "scheduledBackup" || path[0] == "test" {
		return 2
	}
	return 1
}
