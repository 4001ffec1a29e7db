// SPDX-License-Identifier: Apache-2.0

package vendorcheck

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// maxText bounds what is shown of a stranger's text.
const maxText = 256

// printable makes a stranger's text fit for a terminal: visible ASCII, and not
// much of it.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxText {
		return s[:maxText] + "..."
	}
	return s
}

// Table writes the report for people: a row for each finding and a last line
// that says how it went.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "VENDOR\tCHECK\tRESULT\tMANIFEST\tMETADATA\tMESSAGE")
	count := map[Result]int{}
	for _, v := range r.Vendors {
		name := v.Name
		if name == "" {
			name = v.File
		}
		for _, f := range v.Findings {
			count[f.Result]++
			row := []string{name, f.Field, string(f.Result), dash(f.Manifest), dash(f.Metadata), dash(f.Message)}
			_, _ = fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
		}
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	_, err := fmt.Fprintf(w, "\n%s: %s, %s, %s\n", counted(len(r.Vendors), "manifest"), counted(count[Error], "error"), counted(count[Drift], "drift"), counted(count[Note], "note"))
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// dash keeps rows whole: an error over several lines becomes one.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Join(strings.Fields(s), " ")
}
