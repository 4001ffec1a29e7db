// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Theme is how the pages look, and what they tell of the host. The zero value is
// plain. Nothing of it is loaded from elsewhere.
type Theme struct {
	// Name of whose host this is; empty names nobody.
	Name string
	// Logo is a data: URI; see LogoURI.
	Logo string
	// Color of buttons and links, #rrggbb, on a light background, and ColorDark on
	// a dark one; empty is the default of each.
	Color, ColorDark string
	// SupportURL is an https or mailto address for people who need help.
	SupportURL string
	// HideVendors keeps the names of the vendors off the landing page, for people
	// and programs.
	HideVendors bool
}

// The backgrounds of style.css, against which colors must be readable.
const (
	backLight = "#ffffff"
	backDark  = "#15191e"
	// minContrast is that of WCAG 2.2 section 1.4.3, for text.
	minContrast = 4.5
	maxLogo     = 64 << 10
)

// LogoURI makes a data: URI of a picture.
func LogoURI(content []byte) (string, error) {
	kind := http.DetectContentType(content)
	if bytes.Contains(content[:min(len(content), 1024)], []byte("<svg")) {
		kind = "image/svg+xml"
	}
	switch {
	case len(content) > maxLogo:
		return "", fmt.Errorf("the picture has %d bytes, at most %d are allowed: every page carries it", len(content), maxLogo)
	case !slices.Contains(logoTypes(), kind):
		return "", errors.New("the picture must be SVG, PNG, JPEG or WebP")
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content), nil
}

func logoTypes() []string {
	return []string{"image/svg+xml", "image/png", "image/jpeg", "image/webp"}
}

// Validate refuses what is unsafe or cannot be read.
func (t Theme) Validate() error {
	if len(t.Name) > 80 {
		return errors.New("name is longer than 80 bytes")
	}
	if t.Logo != "" {
		kind, data, found := strings.Cut(strings.TrimPrefix(t.Logo, "data:"), ";base64,")
		_, err := base64.StdEncoding.DecodeString(data)
		if !found || err != nil || !strings.HasPrefix(t.Logo, "data:") || !slices.Contains(logoTypes(), kind) || len(data) > maxLogo*4/3+4 {
			return fmt.Errorf("logo must be data:TYPE;base64,... of at most %d bytes, with TYPE one of %s", maxLogo, strings.Join(logoTypes(), ", "))
		}
	}
	for _, c := range []struct{ name, color, back string }{{"color", t.Color, backLight}, {"dark color", t.ColorDark, backDark}} {
		if c.color == "" {
			continue
		}
		if _, err := luminance(c.color); err != nil {
			return fmt.Errorf("%s must be written #rrggbb", c.name)
		}
		if got := contrast(c.color, c.back); got < minContrast {
			return fmt.Errorf("%s %s cannot be read on %s: the contrast is %.1f, and at least %.1f is needed", c.name, c.color, c.back, got, minContrast)
		}
	}
	u, err := url.Parse(t.SupportURL)
	if t.SupportURL != "" && (err != nil || u.Scheme != "mailto" && (u.Scheme != "https" || u.Host == "")) {
		return errors.New("support address must be an https or mailto address")
	}
	return nil
}

// style is the style sheet that goes after ours.
func (t Theme) style() string {
	var out strings.Builder
	if t.Color != "" {
		fmt.Fprintf(&out, ":root { --act: %s; --on-act: %s; }\n", t.Color, readableOn(t.Color))
	}
	dark := t.ColorDark
	if dark == "" && t.Color != "" {
		dark = "#a8c7fa" // ours: the light one may not be readable here
	}
	if dark != "" {
		fmt.Fprintf(&out, "@media (prefers-color-scheme: dark) { :root { --act: %s; --on-act: %s; } }\n", dark, readableOn(dark))
	}
	return out.String()
}

// brand is what the templates see of a theme.
type brand struct {
	Name, Support string
	Logo          template.URL
}

func (t Theme) brand() brand {
	return brand{Name: t.Name, Support: t.SupportURL, Logo: template.URL(t.Logo)} //nolint:gosec // validated: a picture of ours
}

// readableOn is black or white, whichever is easier to read on a color.
func readableOn(color string) string {
	if contrast("#ffffff", color) >= contrast("#000000", color) {
		return "#ffffff"
	}
	return "#000000"
}

// contrast of two colors (WCAG 2.2, "contrast ratio").
func contrast(a, b string) float64 {
	x, _ := luminance(a)
	y, _ := luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance of a color (WCAG 2.2, "relative luminance").
func luminance(color string) (float64, error) {
	hex, found := strings.CutPrefix(color, "#")
	rgb, err := strconv.ParseUint(hex, 16, 32)
	if !found || err != nil || len(hex) != 6 {
		return 0, errors.New("not #rrggbb")
	}
	linear := func(shift int) float64 {
		v := float64(rgb>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0), nil
}
