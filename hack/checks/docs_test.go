package checks

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchors returns the anchors of a Markdown file's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		heading, isHeading := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !isHeading || !strings.HasPrefix(line, "#") {
			continue
		}
		kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
		all[strings.ReplaceAll(kept, " ", "-")] = true
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	err := filepath.WalkDir(path("docs"), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".md" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			target, anchor, _ := strings.Cut(match[1], "#")
			to := file
			if target != "" {
				to = filepath.Join(filepath.Dir(file), target)
			}
			found, err := os.Stat(to)
			if err != nil {
				t.Errorf("%s: %s is not there", file, match[1])
				continue
			}
			if anchor == "" || found.IsDir() {
				continue
			}
			content, err := os.ReadFile(to)
			if err != nil {
				return err
			}
			if !anchors(string(content))[anchor] {
				t.Errorf("%s: %s has no such heading", file, match[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestExamplesAreYAML(t *testing.T) {
	for _, file := range []string{"docs/gitops.md", "docs/concepts.md", "docs/operations.md", "docs/README.md"} {
		for _, document := range blocks(t, file) {
			if document["apiVersion"] == nil || document["kind"] == nil {
				t.Errorf("%s: an example without apiVersion or kind: %v", file, document)
			}
		}
	}
}
