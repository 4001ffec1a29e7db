// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"os"
)

// File is a file that is appended to. When somebody moves it away to rotate it,
// the next record goes into a new one; nobody has to send a signal.
type File struct {
	path string
	file *os.File
}

// OpenFile opens or makes the file.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	return f, f.open()
}

func (f *File) open() (err error) {
	f.file, err = os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		f.file = nil
		return fmt.Errorf("opening the audit log: %w", err)
	}
	return nil
}

// Write implements io.Writer.
func (f *File) Write(line []byte) (int, error) {
	if f.file != nil && f.moved() {
		_ = f.file.Close() // all that was written is written
		f.file = nil
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err := f.file.Write(line)
	if err != nil {
		return n, fmt.Errorf("writing the audit log: %w", err)
	}
	return n, nil
}

// moved tells whether the path leads to another file than the one that is open.
func (f *File) moved() bool {
	is, err := f.file.Stat()
	named, nerr := os.Stat(f.path)
	return err != nil || nerr != nil || !os.SameFile(is, named)
}
