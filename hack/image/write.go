// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// platformImage is the image of one platform, and the list of what is in it.
type platformImage struct {
	system, architecture string
	image                v1.Image
	sbom                 []byte
}

// index is the multi-platform image.
func (o options) index(built []platformImage) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range built {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        b.image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: b.system, Architecture: b.architecture}},
		})
	}
	return index
}

// write leaves everything in the folder, and returns the digest of the whole.
func (o options) write(built []platformImage) (string, error) {
	tag, err := name.NewTag(o.tag)
	if err != nil {
		return "", err
	}
	index := o.index(built)
	digest, err := index.Digest()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(o.out, "layout")
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	to, err := layout.Write(folder, empty.Index)
	if err != nil {
		return "", err
	}
	named := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": o.tag})
	if err := to.AppendIndex(index, named); err != nil {
		return "", err
	}
	short := path.Base(strings.Split(tag.RepositoryStr(), ":")[0])
	for _, b := range built {
		file := filepath.Join(o.out, fmt.Sprintf("%s-%s-%s", short, b.system, b.architecture))
		if err := tarball.WriteToFile(file+".tar", tag, b.image); err != nil {
			return "", err
		}
		if err := os.WriteFile(file+".cdx.json", b.sbom, 0o644); err != nil {
			return "", err
		}
	}
	return digest.String(), os.WriteFile(filepath.Join(o.out, "digest"), []byte(digest.String()+"\n"), 0o644)
}

// upload pushes the multi-platform image.
func (o options) upload(ctx context.Context, built []platformImage) error {
	ref, err := name.ParseReference(o.push)
	if err != nil {
		return err
	}
	return remote.WriteIndex(ref, o.index(built), remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
}
