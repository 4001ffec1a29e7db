// SPDX-License-Identifier: Apache-2.0

package binary_test

import (
	"encoding/json"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oauthbroker/oauth-broker/test/binary"
)

// without drops a flag and its value.
func without(flags []string, name string) []string {
	i := slices.Index(flags, name)
	return slices.Concat(flags[:i], flags[i+2:])
}

// TestFlags wants exit code 1 and one line that names the flag and the fix.
func TestFlags(t *testing.T) {
	in := binary.New(t, broker)
	in.Write("bad.json", `{"format":1}`)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := append(in.Flags(), "--config", in.Path("config"))
	plain := without(without(slices.Clone(good), "--tls-cert"), "--tls-key")
	with := func(more ...string) []string { return append(slices.Clone(good), more...) }
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"unknown flag":                 {with("--colour", "blue"), []string{"--colour", "broker serve --help"}},
		"unknown shorthand":            {with("-x"), []string{"-x", "broker serve --help"}},
		"unknown command":              {[]string{"server"}, []string{`"server"`, "serve", "broker --help"}},
		"unknown command of a group":   {[]string{"keys", "old"}, []string{`"old"`, "new", "broker keys --help"}},
		"argument":                     {with("config"), []string{`"config"`, "broker serve --help"}},
		"no public URL":                {without(good, "--public-url"), []string{"--public-url is required", "--public-url https://"}},
		"no key ring":                  {without(good, "--keyring"), []string{"--keyring is required", "broker keys new FILE"}},
		"no source":                    {without(good, "--config"), []string{"--config", "--published-namespace"}},
		"two sources":                  {with("--published-namespace", "x"), []string{"exactly one of", "--config", "--published-namespace"}},
		"certificate without key":      {without(good, "--tls-key"), []string{"--tls-cert and --tls-key go together"}},
		"key without certificate":      {without(good, "--tls-cert"), []string{"--tls-cert and --tls-key go together"}},
		"last good of a directory":     {with("--last-good", "x"), []string{"--last-good goes with --published-namespace"}},
		"kubeconfig with a directory":  {with("--kubeconfig", "x"), []string{"--kubeconfig goes with --published-namespace"}},
		"namespace of a cluster":       {append(in.Flags(), "--published-namespace", "x", "--namespace", "y"), []string{"--namespace goes with --config"}},
		"class of a cluster":           {append(in.Flags(), "--published-namespace", "x", "--broker-class", "y"), []string{"--broker-class goes with --config"}},
		"kubeconfig that is not there": {append(in.Flags(), "--published-namespace", "x", "--kubeconfig", "/nowhere"), []string{"--kubeconfig", "/nowhere", "no such file"}},
		"no cluster to be in":          {append(in.Flags(), "--published-namespace", "x"), []string{"--kubeconfig", "none is given", "not a pod"}},
		"public URL with a path":       {with("--public-url", "https://x.example/base"), []string{"--public-url", "https://host[:port]", "path"}},
		"public URL with a slash":      {with("--public-url", "https://x.example/"), []string{"--public-url", "trailing slash"}},
		"public URL without scheme":    {with("--public-url", "x.example"), []string{"--public-url", "https://host[:port]"}},
		"public URL in capitals":       {with("--public-url", "https://X.example"), []string{"--public-url", "lower case"}},
		"public URL not encrypted":     {with("--public-url", "http://x.example"), []string{"--public-url", "https"}},
		"plain http, not loopback":     {append(plain, "--public-url", "http://x.example", "--development"), []string{"--public-url", "loopback"}},
		"plain http, no development":   {with("--public-url", "http://127.0.0.1:1"), []string{"--public-url", "--development"}},
		"development on https":         {with("--development"), []string{"--development", "http://"}},
		"development behind TLS": {
			with("--development", "--public-url", "http://127.0.0.1:1"), []string{"--tls-cert", "--development"},
		},
		"key ring that is not there":    {with("--keyring", "/nowhere"), []string{"--keyring", "/nowhere", "broker keys new"}},
		"key ring that is none":         {with("--keyring", in.Path("bad.json")), []string{"--keyring", "flow has no key"}},
		"certificate that is not there": {with("--tls-cert", "/nowhere"), []string{"--tls-cert", "/nowhere"}},
		"config that is not there":      {with("--config", "/nowhere"), []string{"--config", "/nowhere"}},
		"config that is a file":         {with("--config", in.Path("keyring.json")), []string{"--config", "keyring.json", "directory"}},
		"address in use":                {with("--listen", taken.Addr().String()), []string{"--listen", "in use"}},
		"admin address in use":          {with("--admin-listen", taken.Addr().String()), []string{"--admin-listen", "in use"}},
		"address that is none":          {with("--listen", "nonsense"), []string{"--listen", "nonsense"}},
		"one address twice":             {with("--admin-listen", in.Public), []string{"--admin-listen", "in use"}},
		"log level":                     {with("--log-level", "loud"), []string{"--log-level", "debug, info, warn or error"}},
		"duration":                      {with("--shutdown-delay", "soon"), []string{"--shutdown-delay", "soon"}},
		"negative duration":             {with("--shutdown-delay", "-1s"), []string{"--shutdown-delay", "negative"}},
		"no time to end":                {with("--shutdown-timeout", "0s"), []string{"--shutdown-timeout", "positive"}},
		"negative rate of an address":   {with("--address-rate", "-1"), []string{"--address-rate", "negative", "0 is no limit"}},
		"negative rate of a client":     {with("--client-rate", "-0.5"), []string{"--client-rate", "negative"}},
		"negative number of calls":      {with("--vendor-calls", "-1"), []string{"--vendor-calls", "negative"}},
		"a rate that is no number":      {with("--address-rate", "fast"), []string{"--address-rate", "fast", "broker serve --help"}},
		"proxy that is no CIDR":         {with("--trusted-proxy", "10.0.0.1"), []string{"--trusted-proxy", "10.0.0.1", "CIDR"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stderr := in.Run(c.args...)
			if code != 1 {
				t.Errorf("got exit code %d, want 1", code)
			}
			var said []string
			for line := range strings.Lines(stderr) {
				if !strings.HasPrefix(line, "{") { // the log before it
					said = append(said, strings.TrimSpace(line))
				}
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], "broker: ") {
				t.Fatalf("want one line of the command's, got %q", said)
			}
			for _, w := range c.want {
				if !strings.Contains(said[0], w) {
					t.Errorf("%q does not say %q", said[0], w)
				}
			}
		})
	}
}

func TestKeysNew(t *testing.T) {
	in := binary.New(t, broker) // which ran it once
	path := in.Path("keyring.json")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("got mode %o, want 600", mode)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var ring struct {
		Flow, Grant []struct{ ID, Key string }
	}
	if err := json.Unmarshal(before, &ring); err != nil || len(ring.Flow) != 1 || len(ring.Grant) != 1 {
		t.Fatalf("got %d flow and %d grant keys: %v", len(ring.Flow), len(ring.Grant), err)
	}
	in.Plant("flow key", ring.Flow[0].Key)
	in.Plant("grant key", ring.Grant[0].Key)
	code, stderr := in.Run("keys", "new", path)
	if code != 1 || !strings.Contains(stderr, path+" exists") {
		t.Errorf("a second time: got %d %q", code, stderr)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the ring was overwritten (%v)", err)
	}
	if code, stderr := in.Run("keys", "new"); code != 1 || !strings.Contains(stderr, "broker keys new --help") {
		t.Errorf("without a file: got %d %q", code, stderr)
	}
	if code, stderr := in.Run("keys", "new", "/nowhere/keyring.json"); code != 1 || !strings.Contains(stderr, "/nowhere") {
		t.Errorf("in no directory: got %d %q", code, stderr)
	}
}

// TestStart_badManifestsEndSoon: a mistake of the first minute is told at once,
// with the default delay of a stop.
func TestStart_badManifestsEndSoon(t *testing.T) {
	in := binary.New(t, broker)
	in.Write("config/bad.yaml", "apiVersion: oauthbroker.dev/v1alpha1\nkind: OAuthVendor\nmetadata: {name: acme}\nspec: {colour: blue}\n")
	start := time.Now()
	code, stderr := in.Run(append(without(in.Flags(), "--shutdown-delay"), "--config", in.Path("config"))...)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("took %s", took)
	}
	for _, want := range []string{"broker: --config:", "bad.yaml", "spec.colour"} {
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("got %d %q, want %q", code, stderr, want)
		}
	}
}
