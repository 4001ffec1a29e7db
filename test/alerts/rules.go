// SPDX-License-Identifier: Apache-2.0

// Package alerts tests what the chart gives to Prometheus and Grafana with
// Prometheus' own parser and engine: every alert fires when it should and is
// silent when it should be, has a runbook, and speaks only of metrics and labels
// that the programs have; so do the panels of the dashboard.
//
// It is a module of its own, so that nobody who builds the product downloads
// Prometheus.
package alerts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"
)

// Namespace is the release's.
const Namespace = "oauth-broker-system"

// runbookURL is what the chart puts before the name of a runbook.
const runbookURL = "https://docs.example/runbooks"

// Rule is one alert of the chart.
type Rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         time.Duration     `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Rules renders and reads the alerts of the chart as Helm does: the file uses
// nothing of Helm but values and quote.
func Rules(root string) ([]Rule, error) {
	content, err := os.ReadFile(filepath.Join(root, "charts", "oauth-broker", "rules.yaml"))
	if err != nil {
		return nil, err
	}
	t, err := template.New("rules.yaml").Option("missingkey=error").Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(string(content))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Release": map[string]any{"Namespace": Namespace},
		"Values":  map[string]any{"metrics": map[string]any{"prometheusRule": map[string]any{"runbookURL": runbookURL}}},
	})
	if err != nil {
		return nil, err
	}
	var rules []Rule
	d := yaml.NewDecoder(&out)
	d.KnownFields(true)
	if err := d.Decode(&rules); err != nil {
		return nil, fmt.Errorf("rules.yaml: %w", err)
	}
	return rules, nil
}
