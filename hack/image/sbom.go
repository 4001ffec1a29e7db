// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// document is as much of CycloneDX 1.6 as a list of Go modules needs.
type document struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type    string     `json:"type"`
	Ref     string     `json:"bom-ref"`
	Name    string     `json:"name"`
	Version string     `json:"version"`
	PURL    string     `json:"purl,omitempty"`
	Used    []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sbom lists the modules that the linker put into the programs, and the
// toolchain: it reads the programs, not go.mod, so it says what is there.
func (o options) sbom(programs []string) ([]byte, error) {
	found := map[string]*component{}
	for _, p := range programs {
		info, err := buildinfo.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("reading what is in %s: %w", filepath.Base(p), err)
		}
		use := property{Name: "oauthbroker:program", Value: filepath.Base(p)}
		note := func(name, version string) {
			purl := "pkg:golang/" + name + "@" + version
			if found[purl] == nil {
				found[purl] = &component{Type: "library", Ref: purl, Name: name, Version: version, PURL: purl}
			}
			found[purl].Used = append(found[purl].Used, use)
		}
		note("stdlib", strings.TrimPrefix(info.GoVersion, "go"))
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			note(m.Path, m.Version)
		}
	}
	d := document{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{
		Timestamp: o.created.Format(time.RFC3339),
		Component: component{Type: "container", Ref: o.tag, Name: o.title, Version: o.version},
	}, Components: []component{}}
	for _, c := range found {
		d.Components = append(d.Components, *c)
	}
	slices.SortFunc(d.Components, func(a, b component) int { return cmp.Compare(a.PURL, b.PURL) })
	out, err := json.MarshalIndent(d, "", "  ")
	return append(out, '\n'), err
}
