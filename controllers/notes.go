// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// maxNote is how long the API server lets the note of an event be; it refuses
// longer ones, and the event is lost.
const maxNote = 1024

// shortNotes records events whose notes fit.
type shortNotes struct{ events.EventRecorder }

// Eventf implements events.EventRecorder.
//
//nolint:revive // the arguments are client-go's
func (r shortNotes) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.EventRecorder.Eventf(regarding, related, kind, reason, action, "%s", translate.Shorten(fmt.Sprintf(note, args...), maxNote))
}
