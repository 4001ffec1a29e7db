// SPDX-License-Identifier: Apache-2.0

// Package registration registers an app at a vendor for each BYOCCredential that
// asks for it (RFC 7591), keeps it as the objects say (RFC 7592), and deletes it.
//
// It is a controller of its own. Translate decides what should be registered; the
// result is a Secret in the operator's namespace, which translate reads as it
// reads every other. The reconciler, translate and the publisher wait for no
// vendor.
//
// A registration cannot be taken back by forgetting it, so each step is written
// down before the next:
//
//	finalizer on the object
//	status.registration.attempt = an id         (under the object's version)
//	POST, with the id as software_id            → the vendor has an app
//	Secret registration-<UID>                   → the operator has it, too
//	status.registration.clientID, no attempt
//
// A process that finds an attempt whose outcome it does not know cannot tell
// whether the vendor has an app of it. It records that as an orphan, in status,
// and only then tries again with the same software_id: a vendor that tells
// registrations apart by it makes no second one, and a person can find the first.
//
// The files: registrar.go what is to be done; create.go, change.go, remove.go the
// three things that can be; record.go the Secret; status.go and
// orphans.go what is told; pace.go how often vendors are asked; sweep.go
// what is left over.
package registration
