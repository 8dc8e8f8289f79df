package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestEveryActionIsPinnedByItsDigest(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^\s*-?\s*uses: (\S+)(.*)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	found := 0
	for _, file := range glob(t, ".github/workflows/*.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range uses.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(match[1], "./") {
				continue
			}
			found++
			if !pinned.MatchString(match[1]) {
				t.Errorf("%s: %s is not pinned by a digest", filepath.Base(file), match[1])
			}
			if !regexp.MustCompile(`^ # v\d`).MatchString(match[2]) {
				t.Errorf("%s: %s does not say which version it is", filepath.Base(file), match[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d actions were found", found)
	}
}

func TestTheNotesOfAReleaseAreItsOwnSection(t *testing.T) {
	changelog := filepath.Join(t.TempDir(), "CHANGELOG.md")
	text := "# Changelog\n\n## Unreleased\n\n- c\n\n## 0.2.0 - 2026-02-01\n\n### Added\n\n- b\n\n## [0.1.0] - 2026-01-01\n\n- a\n\n## 0.0.1\n\n"
	if err := os.WriteFile(changelog, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	notes := func(version string) (string, error) {
		output, err := exec.Command(path("hack/release-notes.sh"), version, changelog).Output()
		return string(output), err
	}
	for version, want := range map[string]string{"0.2.0": "### Added\n\n- b\n", "0.1.0": "- a\n"} {
		if got, err := notes(version); err != nil || got != want {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
	for _, version := range []string{"0.2.0-rc.1", "0.0.1", "0.2", "9.9.9"} {
		if got, err := notes(version); err == nil {
			t.Errorf("%s has no notes, but got %q", version, got)
		}
	}
}

// The version of Cargo.toml.
func version(t *testing.T) string {
	t.Helper()
	match := regexp.MustCompile(`(?s)\[workspace\.package\]\nversion = "([^"]+)"`).FindStringSubmatch(read(t, "Cargo.toml"))
	if match == nil {
		t.Fatal("Cargo.toml has no version")
	}
	return match[1]
}

// What RELEASE.md tells to change has to be changed everywhere.
func TestEveryPlaceCarriesTheVersion(t *testing.T) {
	version := version(t)
	series := strings.Join(strings.Split(version, ".")[:2], ".")
	for file, carried := range map[string][]string{
		chart + "/Chart.yaml": {
			"\nversion: " + version + "\n", "\nappVersion: \"" + version + "\"\n", "image: ghcr.io/cce-backup-watch/cce-backup-watch:" + version + "\n",
		},
		"docs/gates/job.yaml":            {"cce-backup-watch:" + version + "\n"},
		"docs/gates/flux-job.yaml":       {"cce-backup-watch:" + version + "\n"},
		"docs/gates/argocd-presync.yaml": {"cce-backup-watch:" + version + "\n"},
		"docs/gates/github.yaml":         {"cce-backup-watch:" + version + "\n"},
		"docs/gates/gitlab-ci.yml":       {"VERSION: " + version + "\n"},
		"docs/gitops.md":                 {"semver: " + series + ".x\n", "targetRevision: " + series + ".*\n", "?ref=v" + version + "\n", "newTag: " + version + "\n", "/v" + version + "/crds/"},
		"docs/verify.md":                 {"semver: " + series + ".x\n"},
		"config/README.md":               {"?ref=v" + version + "\n"},
		chart + "/README.md":             {"version: " + series + ".x\n"},
		"config/default/operator.yaml":   {"cce-backup-watch:" + version + "\""},
	} {
		text := read(t, file)
		for _, words := range carried {
			if !strings.Contains(text, words) {
				t.Errorf("%s does not carry %q", file, words)
			}
		}
	}
	if output, err := exec.Command(path("hack/release-notes.sh"), version).CombinedOutput(); err != nil {
		t.Errorf("version %s cannot be released: %s", version, output)
	}
}

// A new version is one command: hack/version.sh writes it wherever the old one is named.
func TestANewVersionIsWrittenEverywhere(t *testing.T) {
	old, copied := version(t), t.TempDir()
	pack := exec.Command("bash", "-c", `set -o pipefail; git ls-files -z --cached --others --exclude-standard | tar --null --files-from - --create | tar --extract --directory "$0"`, copied)
	pack.Dir = path()
	if output, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	run := func(arguments ...string) (string, error) {
		output, err := exec.Command(filepath.Join(copied, "hack/version.sh"), arguments...).CombinedOutput()
		return string(output), err
	}
	if output, err := run("1.2"); err == nil {
		t.Errorf("1.2 is no version: %s", output)
	}
	if output, err := run("12.34.56-rc.1"); err != nil || output != "" {
		t.Fatalf("%v: %s", err, output)
	}
	if output, err := run(); err != nil || output != "12.34.56-rc.1\n" {
		t.Errorf("%q, %v", output, err)
	}
	// Nothing has been written about it.
	if output, err := run("--check"); err == nil || !strings.Contains(output, "CHANGELOG.md says nothing of 12.34.56-rc.1") {
		t.Errorf("%q, %v", output, err)
	}
	// What was, what make generate writes, and tests whose numbers are made up.
	elsewhere := regexp.MustCompile(`^(CHANGELOG\.md|bench/.*|docs/benchmarks\.md|config/(default|namespaced|monitoring)/.*|charts/[^/]+/README\.md|tests/.*|hack/checks/.*|.*/go\.(mod|sum))$`)
	named := regexp.MustCompile(`(^|[^0-9.])(` + regexp.QuoteMeta(old) + `|` + regexp.QuoteMeta(old[:strings.LastIndex(old, ".")]) + `\.[x*])($|[^0-9A-Za-z-])`)
	locked := regexp.MustCompile(`(?s)\[\[package\]\]\nname = "(?:cce|cbw)-[^"]+"\nversion = "` + regexp.QuoteMeta(old) + `"`)
	err := filepath.WalkDir(copied, func(file string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		relative, _ := filepath.Rel(copied, file)
		if elsewhere.MatchString(relative) {
			return nil
		}
		text, err := os.ReadFile(file)
		pattern := named
		if entry.Name() == "Cargo.lock" {
			pattern = locked
		}
		if found := pattern.Find(text); found != nil {
			t.Errorf("%s still has %q", relative, found)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestArtifactHubIsToldWhatThereIs(t *testing.T) {
	var file struct{ Annotations map[string]string }
	readYAML(t, &file, chart, "Chart.yaml")
	var images []struct {
		Name, Image string
		Platforms   []string
	}
	if err := yaml.UnmarshalStrict([]byte(file.Annotations["artifacthub.io/images"]), &images); err != nil || len(images) != 1 {
		t.Errorf("%d images, %v", len(images), err)
	}
	var crds []struct{ Kind, Version, Name, DisplayName, Description string }
	if err := yaml.UnmarshalStrict([]byte(file.Annotations["artifacthub.io/crds"]), &crds); err != nil || len(crds) != 1 {
		t.Fatalf("%d CRDs, %v", len(crds), err)
	}
	var examples []struct {
		APIVersion, Kind string
		Metadata, Spec   map[string]any
	}
	if err := yaml.UnmarshalStrict([]byte(file.Annotations["artifacthub.io/crdsExamples"]), &examples); err != nil || len(examples) == 0 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, example := range examples {
		if example.Kind != crds[0].Kind || !strings.HasSuffix(example.APIVersion, "/"+crds[0].Version) {
			t.Errorf("an example of %s %s", example.APIVersion, example.Kind)
		}
	}
}
