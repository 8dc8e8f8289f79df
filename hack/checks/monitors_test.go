package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func TestMonitorsAndRulesAreWhatThePrometheusOperatorReads(t *testing.T) {
	chart := path("charts/cce-backup-watch")
	files, err := filepath.Glob(filepath.Join(chart, "ci/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]func() any{
		"ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
		"PodMonitor":     func() any { return &monitoring.PodMonitor{} },
		"PrometheusRule": func() any { return &monitoring.PrometheusRule{} },
	}
	seen := map[string]bool{}
	for _, file := range files {
		command := exec.Command("helm", "template", "watch", chart, "--namespace", "system", "--values", file)
		command.Stderr = os.Stderr
		output, err := command.Output()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, text := range strings.Split("\n"+string(output), "\n---\n") {
			var head struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal([]byte(text), &head); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(head.APIVersion, "monitoring.coreos.com/") {
				continue
			}
			seen[head.Kind] = true
			if err := yaml.UnmarshalStrict([]byte(text), kinds[head.Kind]()); err != nil {
				t.Errorf("%s: %s: %v", file, head.Kind, err)
			}
		}
	}
	for kind := range kinds {
		if !seen[kind] {
			t.Errorf("no file in ci/ renders a %s", kind)
		}
	}
}
