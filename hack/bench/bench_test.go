// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain lets the test's binary be the processes that the benchmark starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "-role" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestBench_works runs every section for a moment. What it measures is judged by
// nobody here: performance is no test.
func TestBench_works(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "bench.json")
	o := options{rounds: 1, stretch: 200 * time.Millisecond, users: "2", sections: "memory,visits,refreshes,credentials,reload,profile", out: out, profile: filepath.Join(dir, "cpu.pprof")}
	if err := run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Comparisons) != 5 || len(r.Memory) != 2 || len(r.Profile) == 0 || len(r.Targets) != 4 {
		t.Errorf("the report lacks a part:\n%s", b)
	}
	for _, c := range r.Comparisons {
		if c.Base.Micros.Median <= 0 || c.Side.Micros.Median <= 0 || c.Side.Allocs <= 0 || c.Cost.Median <= 0 {
			t.Errorf("%s has no figures: %+v", c.What, c)
		}
	}
}

func TestSpread(t *testing.T) {
	if diff := cmp.Diff(spread{1, 2.5, 9}, spreadOf([]float64{9, 2, 3, 1})); diff != "" {
		t.Error(diff)
	}
	sorted := make([]time.Duration, 100)
	for i := range sorted {
		sorted[i] = time.Duration(i)
	}
	if p50, p99 := percentile(sorted, 50), percentile(sorted, 99); p50 != 50 || p99 != 99 {
		t.Errorf("got %d and %d", p50, p99)
	}
}

func TestShares(t *testing.T) {
	traces := "File: broker\n-----------+----\n     30ms   crypto/rsa.VerifyPKCS1v15\n             x.y\n-----------+----\n     10ms   a.b\n-----------+----\n"
	want := []share{{"ID token: RSA signature", 75}, {"other", 25}}
	if diff := cmp.Diff(want, shares([]byte(traces))); diff != "" {
		t.Error(diff)
	}
}
