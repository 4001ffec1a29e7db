// SPDX-License-Identifier: Apache-2.0

package version

import (
	"runtime/debug"
	"testing"
)

func TestOf(t *testing.T) {
	built := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "abc"}
	tests := map[string]struct {
		linked string
		build  *debug.BuildInfo
		want   Info
	}{
		"nothing recorded": {"", nil, Info{"dev", "unknown", "unknown"}},
		"linker":           {"v1.2.3@def", built("(devel)", revision), Info{"v1.2.3", "def", "go1.26.0"}},
		"linker, no commit": {
			"v1.2.3", built("(devel)", revision), Info{"v1.2.3", "abc", "go1.26.0"},
		},
		"go install": {"", built("v1.2.3"), Info{"v1.2.3", "unknown", "go1.26.0"}},
		"go build, changed files": {
			"", built("(devel)", revision, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
			Info{"dev", "abc-dirty", "go1.26.0"},
		},
		"go build, clean": {
			"", built("(devel)", revision, debug.BuildSetting{Key: "vcs.modified", Value: "false"}),
			Info{"dev", "abc", "go1.26.0"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := of(tt.linked, tt.build); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestString(t *testing.T) {
	if got, want := (Info{"v1.2.3", "abc", "go1.26.0"}).String(), "v1.2.3 (commit abc, go1.26.0)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGet_namesTheToolchain(t *testing.T) {
	if got := Get().Go; got == Unknown {
		t.Error("the toolchain is unknown")
	}
}
