// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

func rules(t *testing.T) []Rule {
	t.Helper()
	rules, err := Rules(root)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// scenario is series, and what an alert makes of them.
type scenario struct {
	Name  string `yaml:"name"`
	Alert string `yaml:"alert"`
	// Series by metric, in promtool's notation, a value a minute.
	Series map[string]string `yaml:"series"`
	// Minutes is how long it is looked at; the longest series where 0.
	Minutes int `yaml:"minutes"`
	// Fires is the first minute in which it fires; it never does where absent.
	Fires *int `yaml:"fires"`
	// Ends is the first minute in which it does not fire any more.
	Ends *int `yaml:"ends"`
	// Labels that the alert has, all of them.
	Labels map[string]string `yaml:"labels"`
}

// world makes the series, in the release's namespace or in another one.
func (s scenario) world(t *testing.T, namespace string) (Series, int) {
	t.Helper()
	var all Series
	steps := s.Minutes
	for metric, values := range s.Series {
		parsed, err := ParseSeries(metric, values)
		if err != nil {
			t.Fatal(err)
		}
		if namespace != "" {
			parsed.Metric = labels.NewBuilder(parsed.Metric).Set("namespace", namespace).Labels()
		}
		if n := len(parsed.Floats); n > 0 && s.Minutes == 0 {
			steps = max(steps, int(parsed.Floats[n-1].T/step.Milliseconds())+1)
		}
		all = append(all, parsed)
	}
	return all, steps
}

// TestRules_fire runs every scenario of testdata, and fails for an alert that no
// scenario makes fire, or none shows to be silent.
func TestRules_fire(t *testing.T) {
	content, err := os.ReadFile("testdata/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var scenarios []scenario
	d := yaml.NewDecoder(strings.NewReader(string(content)))
	d.KnownFields(true)
	if err := d.Decode(&scenarios); err != nil {
		t.Fatal(err)
	}
	byName, fired, silent := map[string]Rule{}, map[string]bool{}, map[string]bool{}
	for _, r := range rules(t) {
		byName[r.Alert] = r
	}
	for _, s := range scenarios {
		rule, ok := byName[s.Alert]
		if !ok {
			t.Errorf("%s: the chart has no alert %q", s.Name, s.Alert)
			continue
		}
		fired[s.Alert] = fired[s.Alert] || s.Fires != nil
		silent[s.Alert] = silent[s.Alert] || s.Fires == nil
		t.Run(s.Alert+" "+s.Name, func(t *testing.T) {
			series, steps := s.world(t, "")
			check(t, s, rule, series, steps)
			if others, _ := s.world(t, "another"); s.Fires != nil && !strings.HasPrefix(rule.Expr, "absent") {
				check(t, scenario{}, rule, others, steps)
			}
		})
	}
	for name := range byName {
		if !fired[name] || !silent[name] {
			t.Errorf("%s: testdata/alerts.yaml needs a scenario in which it fires (there: %v), and one in which it does not (there: %v)", name, fired[name], silent[name])
		}
	}
}

func check(t *testing.T, s scenario, rule Rule, series Series, steps int) {
	t.Helper()
	firing, err := Firing(t.Context(), rule, series, steps)
	if err != nil {
		t.Fatal(err)
	}
	for minute, alerts := range firing {
		want := s.Fires != nil && minute >= *s.Fires && (s.Ends == nil || minute < *s.Ends)
		if (len(alerts) > 0) != want {
			t.Errorf("minute %d: fires with %v, want firing %v", minute, alerts, want)
		}
		for _, a := range alerts {
			if want := labels.FromMap(s.Labels); !labels.Equal(a, want) {
				t.Errorf("minute %d: labels %s, want %s", minute, a, want)
			}
		}
	}
}

// TestRules_tellWhatToDo: every alert has a severity, a summary that uses only
// labels that the alert has, and a runbook that tells what to do.
func TestRules_tellWhatToDo(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "runbooks", "OAuthBroker*.md"))
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, r := range rules(t) {
		if !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		if !strings.HasSuffix(r.Annotations["summary"], ".") {
			t.Errorf("%s: the summary is no sentence: %q", r.Alert, r.Annotations["summary"])
		}
		for _, m := range used.FindAllStringSubmatch(r.Annotations["summary"], -1) {
			if !regexp.MustCompile(`by \([^)]*\b` + m[1] + `\b`).MatchString(r.Expr) {
				t.Errorf("%s: the summary speaks of label %s, which the expression does not keep", r.Alert, m[1])
			}
		}
		if r.Annotations["runbook_url"] != runbookURL+"/"+r.Alert+".md" {
			t.Errorf("%s: runbook_url %q", r.Alert, r.Annotations["runbook_url"])
		}
		page := filepath.Join(root, "docs", "runbooks", r.Alert+".md")
		content, err := os.ReadFile(page)
		if err != nil {
			t.Errorf("%s has no runbook: %v", r.Alert, err)
			continue
		}
		pages = slices.DeleteFunc(pages, func(p string) bool { return p == page })
		for _, part := range []string{"# " + r.Alert + "\n", "\n## Meaning\n", "\n## Impact\n", "\n## Diagnosis\n", "\n## Fix\n", "```sh\n"} {
			if !strings.Contains(string(content), part) {
				t.Errorf("%s: no %q", page, part)
			}
		}
	}
	for _, page := range pages {
		t.Errorf("%s is of no alert", page)
	}
}
