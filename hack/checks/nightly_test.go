package checks

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What a night has found becomes an issue: its title and its body.
func issueOf(t *testing.T, job, log string, input ...byte) (string, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "found.log")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := []string{job, "0123abc", file}
	if len(input) > 0 {
		found := filepath.Join(t.TempDir(), "found.input")
		if err := os.WriteFile(found, input, 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, found)
	}
	output, err := exec.Command(path("hack/nightly-issue.sh"), arguments...).Output()
	if err != nil {
		t.Fatal(err)
	}
	title, body, _ := strings.Cut(string(output), "\n\n")
	if strings.Contains(title, "\n") || title == "" {
		t.Errorf("no title: %q", title)
	}
	return title, body
}

func TestAFoundSeedIsAnIssueWithItsCommandLine(t *testing.T) {
	title, body := issueOf(t, "histories", "1000 histories from seed 7 on, 900000 events\nbroken: no status moves backwards\nto see it: --show --seed 4038 --acts 6,7\nmake: *** [simulate] Error 1\n")
	if !strings.Contains(title, "4038") {
		t.Errorf("the title %q does not name the seed", title)
	}
	for _, words := range []string{"\ngit checkout 0123abc\n", "\ntarget/histories/cbw-histories --show --seed 4038 --acts 6,7\n", "\n    broken: no status moves backwards\n"} {
		if !strings.Contains(body, words) {
			t.Errorf("without %q:\n%s", words, body)
		}
	}
}

func TestAFoundInputIsInItsIssue(t *testing.T) {
	input := []byte("{\"kind\":\x00\xff")
	title, body := issueOf(t, "fuzz", "thread '<unnamed>' panicked at fuzz_targets/answer_to_plan.rs:68:9:\nplanned twice\n", input...)
	if !strings.HasSuffix(title, "answer_to_plan.rs:68:9:") {
		t.Errorf("the title %q does not name the place", title)
	}
	if !strings.Contains(body, base64.StdEncoding.EncodeToString(input)+"\nEND\ncargo +nightly fuzz run answer_to_plan found\n") {
		t.Errorf("without the input:\n%s", body)
	}
}

func TestAnyOtherJobNamesItsCommand(t *testing.T) {
	// A log may hold what would end a block of code.
	title, body := issueOf(t, "kubernetes-1.31", "command: make test-versions VERSIONS=1.31\n```\n# no heading\n")
	if title != "The nightly run fails: kubernetes-1.31" || !strings.Contains(body, "\nmake test-versions VERSIONS=1.31\n```\n") {
		t.Errorf("%s\n%s", title, body)
	}
	if !strings.Contains(body, "\n    ```\n    # no heading\n") {
		t.Errorf("the log is not indented:\n%s", body)
	}
}

// A night runs on each version of Kubernetes that is pinned.
func TestTheNightRunsOnEveryVersion(t *testing.T) {
	versions := regexp.MustCompile(`(?m)^VERSIONS \?= (.*)$`).FindStringSubmatch(read(t, "Makefile"))
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct{ Matrix map[string][]string }
			Needs    []string
		}
	}
	readYAML(t, &workflow, ".github/workflows/nightly.yaml")
	if versions == nil || strings.Join(workflow.Jobs["versions"].Strategy.Matrix["kubernetes"], " ") != versions[1] {
		t.Errorf("the Makefile has %v, the night %v", versions, workflow.Jobs["versions"].Strategy.Matrix)
	}
	// What a job finds is lost unless the one that opens issues waits for it.
	for name := range workflow.Jobs {
		if name != "issues" && !strings.Contains(" "+strings.Join(workflow.Jobs["issues"].Needs, " ")+" ", " "+name+" ") {
			t.Errorf("nobody opens an issue for the job %s", name)
		}
	}
}
