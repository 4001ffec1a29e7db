// SPDX-License-Identifier: Apache-2.0

// Package crd embeds the CustomResourceDefinitions that controller-gen writes
// from api/v1alpha1, so that the file source can validate manifests as an API
// server would.
package crd

import "embed"

// Bases holds bases/*.yaml, one CustomResourceDefinition each.
//
//go:embed bases/*.yaml
var Bases embed.FS
