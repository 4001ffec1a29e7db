// SPDX-License-Identifier: Apache-2.0

// Package controllers is the acting half of the operator: it reads what the
// cluster says, asks package translate what follows, and does it.
//
// One apply walks through it like this:
//
//  1. An event (of an object, a namespace, a referenced Secret or a discovery
//     result) touches the debouncer with its namespace, or with none where all may
//     depend on it. The debouncer puts the one request "everything" into the queue
//     50 ms after the last event, 250 ms after the first at most.
//  2. Reconciler.Reconcile, for the namespaces that changed or for all: gather lists
//     objects from the cache and reads the Secrets that they name; translate decides; publish writes shards and index;
//     report hands each object's verdict to the reporter.
//  3. Reporter has a queue of its own with several workers. It writes each
//     object's status once, only when it differs.
//  4. Brokers asks the broker pods which sequence they serve, and wakes the
//     reporter for the objects that wait to be Programmed.
//
// What vendors have to say comes from controllers of their own (Discovery, package
// registration), whose results are inputs of the next pass: the walk above waits
// for no vendor.
//
// Nothing here decides what an object means; nothing in translate acts. Secret
// contents are never cached by the manager's client: SecretStore keeps the
// metadata of referenced Secrets only, and the contents of those that are used.
package controllers
