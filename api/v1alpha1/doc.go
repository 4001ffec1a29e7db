// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the three kinds that configure OAuth Broker:
//
//   - OAuthVendor (cluster-scoped, owned by the platform team) says how one
//     vendor's OAuth endpoints behave and who may use its credentials.
//   - BYOCCredential (namespaced, owned by a tenant) brings the tenant's own
//     OAuth app for one vendor.
//   - BrokerClient (namespaced) is a deployment that may use the broker.
//
// Everything that needs no look-up is refused by the schema and its CEL rules;
// what needs another object is a condition on the object's status.
//
// +kubebuilder:object:generate=true
// +groupName=oauthbroker.dev
package v1alpha1
