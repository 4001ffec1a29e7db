// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user owns nothing in the image and has no rights.
const user = "65532:65532"

const certificatesFile = "etc/ssl/certs/ca-certificates.crt"

// pack makes the image of one platform: the base in one layer, so that it is
// shared between versions, and the programs in another.
func (o options) pack(architecture string, programs []string) (v1.Image, error) {
	base := layer{at: o.created}
	for _, d := range []string{"etc", "etc/ssl", "etc/ssl/certs", "home", "home/nonroot"} {
		base.dir(d, 0o755)
	}
	base.dir("tmp", 0o1777)
	base.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"))
	base.file("etc/group", 0o644, []byte("root:x:0:\nnonroot:x:65532:\n"))
	base.file(certificatesFile, 0o644, certificates())
	binaries := layer{at: o.created}
	for _, p := range programs {
		content, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		binaries.file(filepath.Base(p), 0o755, content)
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	for i, l := range []*layer{&base, &binaries} {
		made, err := l.close()
		if err != nil {
			return nil, err
		}
		by := []string{"base: CA certificates, user", "programs"}[i]
		image, err = mutate.Append(image, mutate.Addendum{Layer: made, History: v1.History{Created: v1.Time{Time: o.created}, CreatedBy: "hack/image: " + by}})
		if err != nil {
			return nil, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", architecture, v1.Time{Time: o.created}
	config.Config = v1.Config{
		Entrypoint: []string{"/" + filepath.Base(programs[0])}, User: user, WorkingDir: "/",
		Env:    []string{"PATH=/", "SSL_CERT_FILE=/" + certificatesFile},
		Labels: o.labels(),
	}
	return mutate.ConfigFile(image, config)
}

// labels are those of the OCI image specification.
func (o options) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    o.title,
		"org.opencontainers.image.version":  o.version,
		"org.opencontainers.image.revision": o.commit,
		"org.opencontainers.image.created":  o.created.Format(time.RFC3339),
		"org.opencontainers.image.source":   "https://github.com/oauthbroker/oauth-broker",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
}

// certificates are Mozilla's roots that come without further constraints.
func certificates() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer does not fail
		}
	}
	return out.Bytes()
}

// layer is a tar archive in the making; the first error stays.
type layer struct {
	at     time.Time
	buffer bytes.Buffer
	writer *tar.Writer
	err    error
}

func (l *layer) dir(name string, mode int64) {
	l.add(&tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: mode}, nil)
}

func (l *layer) file(name string, mode int64, content []byte) {
	l.add(&tar.Header{Name: path.Clean(name), Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))}, content)
}

func (l *layer) add(h *tar.Header, content []byte) {
	if l.err != nil {
		return
	}
	if l.writer == nil {
		l.writer = tar.NewWriter(&l.buffer)
	}
	h.ModTime, h.Format = l.at, tar.FormatPAX
	if l.err = l.writer.WriteHeader(h); l.err == nil {
		_, l.err = l.writer.Write(content)
	}
}

func (l *layer) close() (v1.Layer, error) {
	if l.err == nil {
		l.err = l.writer.Close()
	}
	if l.err != nil {
		return nil, fmt.Errorf("packing layer: %w", l.err)
	}
	content := l.buffer.Bytes()
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
}
