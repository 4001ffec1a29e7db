// SPDX-License-Identifier: Apache-2.0

package seal

// ReadContent lets tests read content that no key sealed.
func ReadContent(text string, c Content) error { return new(Fields).read(text, c) }
