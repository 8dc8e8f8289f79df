package checks

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// A Job without an end waits for ever for a pod that cannot start, and with it a sync, a pipeline or every later run of a schedule. The Jobs that
// the chart renders are in its unit tests.
func TestEveryJobOfTheDocumentationEnds(t *testing.T) {
	found := 0
	for _, file := range glob(t, "docs/gates/*.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			var job struct {
				Kind string
				Spec struct{ ActiveDeadlineSeconds int }
			}
			if err := yaml.Unmarshal([]byte(document), &job); err != nil {
				continue // a file of a pipeline has other types under these names
			}
			if job.Kind != "Job" {
				continue
			}
			found++
			if job.Spec.ActiveDeadlineSeconds <= 3600 {
				t.Errorf("%s: activeDeadlineSeconds is %d, and its pod has an hour", file, job.Spec.ActiveDeadlineSeconds)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d Jobs were found", found)
	}
}

// A job that only waits for another one is run again alone, and then the success of the other may be of yesterday.
func TestAPipelineUpgradesInTheJobThatBacksUp(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct{ Steps []struct{ Run string } }
	}
	readYAML(t, &workflow, "docs/gates/github.yaml")
	var pipeline map[string]struct{ Script []string }
	readYAML(t, &pipeline, "docs/gates/gitlab-ci.yml")
	jobs := map[string][]string{}
	for name, job := range workflow.Jobs {
		for _, step := range job.Steps {
			jobs["GitHub "+name] = append(jobs["GitHub "+name], step.Run)
		}
	}
	for name, job := range pipeline {
		jobs["GitLab "+name] = job.Script
	}
	if len(jobs) != 2 {
		t.Errorf("%d jobs instead of one for GitHub and one for GitLab", len(jobs))
	}
	for name, commands := range jobs {
		if len(commands) != 2 || !strings.Contains(commands[0], "backup --if-older-than") || !strings.Contains(commands[1], "upgrade") {
			t.Errorf("%s does not back up and then upgrade: %q", name, commands)
		}
	}
}
