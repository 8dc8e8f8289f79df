package checks

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type dashboard struct {
	Panels []struct {
		Title, Type string
		GridPos     struct{ Y int }
		Links       []struct{ URL string }
		Targets     []struct{ RefID, Expr string }
		FieldConfig struct {
			Defaults struct {
				NoValue    string
				Thresholds struct {
					Steps []struct {
						Color string
						Value *float64
					}
				}
			}
		}
	}
}

type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Record       string
			Expr, For           string
			Labels, Annotations map[string]string
		}
	}
}

// queries returns each query of the dashboard and each expression of the alerts, by the place where it stands.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	var board dashboard
	if err := json.Unmarshal([]byte(read(t, chart, "files/dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			// What Grafana puts in for its variables.
			query := strings.NewReplacer("$__rate_interval", "5m", "$hub", ".*", "$region", ".*", "$namespace", "platform|shop",
				"$watch", "prod").Replace(target.Expr)
			// "$1" is what label_replace found.
			if strings.Contains(strings.ReplaceAll(query, `"$1"`, ""), "$") {
				t.Errorf("panel %q: an unknown variable in %s", panel.Title, query)
			}
			all["panel "+panel.Title+" "+target.RefID] = query
		}
	}
	var alerts rules
	readYAML(t, &alerts, chart, "files/alerts.yaml")
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			all["rule "+rule.Alert+rule.Record] = rule.Expr
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d queries were found", len(all))
	}
	return all
}

// exported returns the metrics of the operator with their labels. tests/docs ties the list to the code.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{}
	for _, line := range strings.Split(read(t, "tests/monitoring/metrics.txt"), "\n") {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "#" {
			metrics[fields[0]] = fields[1:]
		}
	}
	return metrics
}

func TestQueriesNameOnlyMetricsAndLabelsThatTheOperatorExports(t *testing.T) {
	selector := regexp.MustCompile(`(cce_backup_watch_[a-z_]+)(?::[a-z0-9]+)?(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)\s*(?:=|!=|=~|!~)\s*"`)
	grouping := regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	metrics := exported(t)
	// Those that Prometheus adds, with the one that tells hubs apart, the bound of a histogram's bucket, and those that
	// label_replace makes.
	always := []string{"job", "instance", "pod", "cluster", "le", "watch_reason"}
	used := map[string]bool{}
	joined := regexp.MustCompile(`group_left \([a-z_, ]*\) watch:`)
	for place, query := range queries(t) {
		known := append([]string{}, always...)
		if joined.MatchString(query) {
			known = append(known, "cce_region", "cce_project", "cce_cluster", "display_name")
		}
		for _, match := range selector.FindAllStringSubmatch(query, -1) {
			name := match[1]
			labels, found := metrics[name]
			if !found {
				if base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, ""); base != name {
					labels, found = metrics[base]
					name = base
				}
			}
			if !found {
				t.Errorf("%s: the operator exports no %s", place, match[1])
			}
			used[name] = true
			known = append(known, labels...)
			for _, match := range label.FindAllStringSubmatch(match[2], -1) {
				if !slices.Contains(labels, match[1]) && !slices.Contains(always, match[1]) {
					t.Errorf("%s: %s has no label %s", place, name, match[1])
				}
			}
		}
		for _, match := range grouping.FindAllStringSubmatch(query, -1) {
			for _, name := range strings.FieldsFunc(match[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				if !slices.Contains(known, name) {
					t.Errorf("%s: no metric of it has the label %s", place, name)
				}
			}
		}
	}
	for name := range metrics {
		if !used[name] {
			t.Errorf("no panel and no alert shows %s", name)
		}
	}
}

// Whoever looks at the dashboard at night looks at its first row. A dead operator exports nothing, so what is green without data
// would be green then.
func TestNoDataIsRedAndTheFirstRowSaysWhetherAnybodyWatches(t *testing.T) {
	var board dashboard
	if err := json.Unmarshal([]byte(read(t, chart, "files/dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	var first []string
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			if strings.Contains(target.Expr, "vector(") {
				t.Errorf("panel %q has a value where there is no data: %s", panel.Title, target.Expr)
			}
		}
		if panel.Type != "stat" {
			continue
		}
		if panel.GridPos.Y == 1 {
			first = append(first, panel.Title)
		}
		// The step without a value is what Grafana gives to no data.
		defaults := panel.FieldConfig.Defaults
		if steps := defaults.Thresholds.Steps; len(steps) == 0 || steps[0].Value != nil || steps[0].Color != "red" || defaults.NoValue == "" {
			t.Errorf("panel %q is not red without data", panel.Title)
		}
	}
	if got, want := strings.Join(first, ", "), "Operator, Alerts, Blind, Bad, Oldest success, Healthy"; got != want {
		t.Errorf("the first row is %s, and should be %s", got, want)
	}
}

func TestLinksOfTheDashboardLeadToRunbooks(t *testing.T) {
	var board dashboard
	if err := json.Unmarshal([]byte(read(t, chart, "files/dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, panel := range board.Panels {
		for _, link := range panel.Links {
			_, page, isRunbook := strings.Cut(link.URL, "/docs/runbooks/")
			if !isRunbook {
				t.Errorf("panel %q leads to %s", panel.Title, link.URL)
				continue
			}
			read(t, "docs/runbooks", page)
			found++
		}
	}
	if found < 10 {
		t.Errorf("only %d links", found)
	}
}

func TestEveryAlertHasItsPageAndEveryPageItsAlert(t *testing.T) {
	var alerts rules
	readYAML(t, &alerts, chart, "files/alerts.yaml")
	names := map[string]bool{}
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			if rule.Record != "" {
				continue
			}
			names[rule.Alert] = true
			if !strings.HasPrefix(rule.Alert, "CCEBackup") && !strings.HasPrefix(rule.Alert, "CCEUpgrade") {
				t.Errorf("%s has another prefix than CCEBackup and CCEUpgrade", rule.Alert)
			}
			if rule.For == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s lacks one of for, severity, summary and description", rule.Alert)
			}
			if want := "/docs/runbooks/" + rule.Alert + ".md"; !strings.HasSuffix(rule.Annotations["runbook_url"], want) {
				t.Errorf("the runbook_url of %s does not end in %s", rule.Alert, want)
			}
			page := read(t, "docs/runbooks", rule.Alert+".md")
			if !strings.HasPrefix(page, "# "+rule.Alert+"\n") {
				t.Errorf("the page of %s has another title", rule.Alert)
			}
			chinese := read(t, "docs/runbooks/zh-CN", rule.Alert+".md")
			if !strings.HasPrefix(chinese, "# "+rule.Alert+"\n") {
				t.Errorf("the Chinese page of %s has another title", rule.Alert)
			}
			// Translations go out of date where nothing compares them: what is no prose is the same.
			if code, translated := fences(page), fences(chinese); code != translated {
				t.Errorf("the commands in the Chinese page of %s are others:\n%s\nand in English:\n%s", rule.Alert, translated, code)
			}
			for _, index := range []string{"docs/runbooks/README.md", "docs/runbooks/zh-CN/README.md"} {
				if !strings.Contains(read(t, index), "("+rule.Alert+".md)") {
					t.Errorf("%s does not list %s", index, rule.Alert)
				}
			}
			if !strings.Contains(read(t, "tests/monitoring/alerts_test.yaml"), "alertname: "+rule.Alert+"\n") {
				t.Errorf("tests/monitoring/alerts_test.yaml does not test %s", rule.Alert)
			}
		}
	}
	for _, file := range append(glob(t, "docs/runbooks/*.md"), glob(t, "docs/runbooks/zh-CN/*.md")...) {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		if name != "README" && !names[name] {
			t.Errorf("%s is the page of no alert", file)
		}
	}
}

// fences returns the blocks of code of a Markdown page.
func fences(page string) string {
	var code []string
	for i, part := range strings.Split(page, "```") {
		if i%2 == 1 {
			code = append(code, part)
		}
	}
	return strings.Join(code, "\n")
}
