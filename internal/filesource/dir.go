// SPDX-License-Identifier: Apache-2.0

package filesource

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxDepth     = 16
	maxFileBytes = 8 << 20
)

// file is a manifest file; name is relative to the directory.
type file struct {
	name    string
	content []byte
}

// contents are the manifest files of a directory, sorted by name.
type contents []file

// sum identifies the contents.
func (c contents) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, f := range c {
		for _, b := range [][]byte{[]byte(f.name), f.content} {
			_ = binary.Write(h, binary.BigEndian, uint64(len(b)))
			_, _ = h.Write(b)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// readDir reads the manifest files in and below dir. Names that begin with a
// dot are skipped: hidden files, and the ..data directories of mounted
// ConfigMaps and Secrets, whose files are reached through the links beside
// them. A file that several links lead to is read once.
func readDir(dir string) (contents, error) {
	w := walker{root: dir, visited: map[string]bool{}}
	if err := w.walk(dir, 0); err != nil {
		return nil, fmt.Errorf("reading the configuration directory: %w", err)
	}
	return w.files, nil
}

type walker struct {
	root    string
	visited map[string]bool
	files   contents
}

func (w *walker) walk(dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than %d directories deep", dir, maxDepth)
	}
	if first, err := w.visit(dir); err != nil || !first {
		return err
	}
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := w.entry(filepath.Join(dir, e.Name()), depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(path string, depth int) error {
	info, err := os.Stat(path) // follows links
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // a dangling link, or a file that is just being replaced
	case err != nil:
		return err
	case info.IsDir():
		return w.walk(path, depth+1)
	case !info.Mode().IsRegular() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
		return nil
	case info.Size() > maxFileBytes:
		return fmt.Errorf("%s: larger than %d bytes", path, maxFileBytes)
	}
	if first, err := w.visit(path); err != nil || !first {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(w.root, path)
	if err != nil {
		return err
	}
	w.files = append(w.files, file{name: name, content: content})
	return nil
}

// visit tells whether path leads somewhere new.
func (w *walker) visit(path string) (bool, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false, err
	}
	if w.visited[target] {
		return false, nil
	}
	w.visited[target] = true
	return true, nil
}
