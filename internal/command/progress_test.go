// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgress: nothing of what is done within a second; what takes longer is
// told and taken away again; and nobody but a terminal gets any of it.
func TestProgress(t *testing.T) {
	for name, on := range map[string]bool{"terminal": true, "file": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				p := &Progress{Out: &out, On: on}
				p.Step("being quick")
				time.Sleep(900 * time.Millisecond)
				p.Step("being slow")
				time.Sleep(1100 * time.Millisecond)
				synctest.Wait()
				p.Done()
				got := out.String()
				if strings.Contains(got, "quick") || strings.Contains(got, "being slow ...") != on || on && !strings.HasSuffix(got, "\r\x1b[K") {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}
