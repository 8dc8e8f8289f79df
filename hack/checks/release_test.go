package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
