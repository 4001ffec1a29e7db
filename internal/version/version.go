// SPDX-License-Identifier: Apache-2.0

// Package version tells which build of OAuth Broker is running: for the
// --version flag, the first log line and the build_info metric.
//
// `make build` and the Dockerfile hand the values to the linker. A plain
// `go build`, `go run` or `go install` has none, and then what the Go toolchain
// recorded in the binary is used.
package version

import (
	"cmp"
	"runtime/debug"
	"strings"
)

// Unknown stands where a build recorded nothing.
const Unknown = "unknown"

// linked is VERSION@COMMIT, set by
// -ldflags "-X github.com/oauthbroker/oauth-broker/internal/version.linked=v1.2.3@abcdef".
var linked string //nolint:gochecknoglobals // the linker can set nothing but a package variable

// Info names a build.
type Info struct {
	// Version is a release (v1.2.3), a description of a commit after one, or dev.
	Version string
	// Commit is the Git commit, with -dirty where files were changed after it.
	Commit string
	// Go is the toolchain that built the binary.
	Go string
}

// Get returns the build of this process.
func Get() Info {
	build, _ := debug.ReadBuildInfo()
	return of(linked, build)
}

// String is one line for people, for example "v1.2.3 (commit abcdef, go1.26.0)".
func (i Info) String() string {
	return i.Version + " (commit " + i.Commit + ", " + i.Go + ")"
}

// of prefers what the linker was told; build may be nil.
func of(linked string, build *debug.BuildInfo) Info {
	version, commit, _ := strings.Cut(linked, "@")
	i := Info{Version: version, Commit: commit}
	if build != nil {
		i.Go = build.GoVersion
		i.Commit = cmp.Or(i.Commit, commitOf(build))
		if v := build.Main.Version; v != "(devel)" {
			i.Version = cmp.Or(i.Version, v)
		}
	}
	return Info{Version: cmp.Or(i.Version, "dev"), Commit: cmp.Or(i.Commit, Unknown), Go: cmp.Or(i.Go, Unknown)}
}

func commitOf(build *debug.BuildInfo) string {
	var commit, dirty string
	for _, s := range build.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if commit == "" {
		return ""
	}
	return commit + dirty
}
