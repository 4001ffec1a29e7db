// SPDX-License-Identifier: Apache-2.0

package binary

import "encoding/pem"

// PEM is the CA's certificate, for programs that are told of it by a file.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}
