// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"strings"
	"testing"
)

func TestCommand_refuses(t *testing.T) {
	good := []string{"--public-url=https://broker.example", "--namespace=system", "--published-namespace=published"}
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown flag":          {append(good, "--nope"), "unknown flag: --nope"},
		"argument":              {append(good, "serve"), "unknown command"},
		"no public URL":         {good[1:], "--public-url is required"},
		"no namespace":          {[]string{good[0], good[2]}, "--namespace is required"},
		"http":                  {append(good, "--public-url=http://broker.example"), "must begin with https://"},
		"path":                  {append(good, "--public-url=https://broker.example/x"), "without path"},
		"one namespace for all": {append(good, "--published-namespace=system"), "a namespace of its own"},
		"published is watched":  {append(good, "--watch-namespaces=a,published"), "a namespace of its own"},
		"admin without scheme":  {append(good, "--broker-admin=broker:9090"), "--broker-admin"},
		"log level":             {append(good, "--log-level=loud"), "--log-level"},
		"kubeconfig":            {append(good, "--kubeconfig=/does/not/exist"), "finding the API server"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCommand()
			c.SetArgs(tt.args)
			c.SetOut(io.Discard)
			c.SetErr(io.Discard)
			err := c.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
