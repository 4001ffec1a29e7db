// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/oauthbroker/oauth-broker/broker"
)

// themeFlags are those of the pages that people see.
func themeFlags(f *pflag.FlagSet, o *options) {
	f.StringVar(&o.theme.Name, "brand-name", "", "name of whose host this is, on every page")
	f.StringVar(&o.logo, "brand-logo", "", "logo on every page: a file (SVG, PNG, JPEG or WebP, at most 64 KiB), or a data: URI of one")
	f.StringVar(&o.theme.Color, "brand-color", "", "color of buttons and links, #rrggbb, dark enough to be read on white")
	f.StringVar(&o.theme.ColorDark, "brand-color-dark", "", "the same in dark mode, light enough to be read on black")
	f.StringVar(&o.theme.SupportURL, "support-url", "", "https or mailto address for people who need help, on every page")
	f.BoolVar(&o.landingVendors, "landing-vendors", true, "name the vendors on the landing page, /, which is also where oauth-broker vendors list --broker reads them")
}

// readTheme reads the logo, and checks that everything can be shown and read.
func readTheme(o options) (broker.Theme, error) {
	t := o.theme
	t.HideVendors = !o.landingVendors
	switch {
	case strings.HasPrefix(o.logo, "data:"):
		t.Logo = o.logo
	case o.logo != "":
		content, err := os.ReadFile(o.logo)
		if err == nil {
			t.Logo, err = broker.LogoURI(content)
		}
		if err != nil {
			return t, fmt.Errorf("--brand-logo: %w", err)
		}
	}
	if err := t.Validate(); err != nil {
		return t, fmt.Errorf("--brand-name, --brand-logo, --brand-color, --brand-color-dark, --support-url: %w", err)
	}
	return t, nil
}
