// SPDX-License-Identifier: Apache-2.0

package alerts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// targetLabels are put on every series by the scrape.
var targetLabels = []string{"namespace", "pod", "job", "instance", "__name__", "le"}

// metrics reads the reference that is generated from the code: the labels of
// every metric.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	label := regexp.MustCompile("`([^`]+)`")
	for _, m := range regexp.MustCompile("(?m)^\\| `(oauth_broker_\\w+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(string(content), -1) {
		names := []string{}
		for _, l := range label.FindAllStringSubmatch(m[3], -1) {
			names = append(names, l[1])
		}
		out[m[1]] = names
		if m[2] == "histogram" {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				out[m[1]+part] = names
			}
		}
	}
	if len(out) < 10 {
		t.Fatalf("docs/reference/metrics.md holds only %d metrics", len(out))
	}
	return out
}

// checkQuery parses a query, and looks for metrics and labels that are not there.
func checkQuery(t *testing.T, where, query string) {
	t.Helper()
	expr, err := parser.ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	known, found := metrics(t), 0
	var all []string
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		selector, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		found++
		names, exists := known[selector.Name]
		if !exists {
			t.Errorf("%s: nothing has the metric %s", where, selector.Name)
		}
		all = append(all, names...)
		namespaced := slices.ContainsFunc(selector.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == "namespace" })
		if !namespaced {
			t.Errorf("%s: %s of every namespace", where, selector.Name)
		}
		for _, m := range selector.LabelMatchers {
			if !slices.Contains(append(targetLabels, names...), m.Name) {
				t.Errorf("%s: %s has no label %s", where, selector.Name, m.Name)
			}
		}
		return nil
	})
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if a, ok := n.(*parser.AggregateExpr); ok {
			for _, l := range a.Grouping {
				if !slices.Contains(append(targetLabels, all...), l) {
					t.Errorf("%s: grouped by %s, which no metric has", where, l)
				}
			}
		}
		return nil
	})
	if found == 0 {
		t.Errorf("%s speaks of no metric", where)
	}
}

func TestRules_metricsExist(t *testing.T) {
	for _, r := range rules(t) {
		checkQuery(t, r.Alert, r.Expr)
	}
}

// dashboard is the part of Grafana's model that is looked at.
type dashboard struct {
	UID    string
	Panels []struct {
		ID                       int
		Title, Type, Description string
		Datasource               struct{ Type, UID string }
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct{ Expr, LegendFormat string }
		FieldConfig              struct{ Defaults struct{ Unit string } }
	}
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
}

// TestDashboard_queries: every panel asks for metrics and labels that exist, says
// in which unit it shows them, and lies on none of the others.
func TestDashboard_queries(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "charts", "oauth-broker", "dashboards", "oauth-broker.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$namespace", Namespace, "$vendor", "github", "$__rate_interval", "5m", "$__range", "1h")
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%s: id %d is none, or there twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Fatalf("%s lies on %s, or beside the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("%s: %d queries of datasource %q in unit %q, description %q", p.Title, len(p.Targets), p.Datasource.UID, p.FieldConfig.Defaults.Unit, p.Description)
		}
		for _, target := range p.Targets {
			query := variables.Replace(target.Expr)
			if strings.Contains(query, "$") {
				t.Errorf("%s: unknown variable in %s", p.Title, target.Expr)
			}
			checkQuery(t, p.Title, query)
		}
	}
	known := metrics(t)
	for _, v := range d.Templating.List {
		if m := regexp.MustCompile(`oauth_broker_\w+`).FindString(v.Query); v.Type == "query" && known[m] == nil {
			t.Errorf("variable %s asks for %q, which is no metric", v.Name, m)
		}
	}
}
