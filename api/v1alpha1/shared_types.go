// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EndpointURL is an https URL, or an http URL of a loopback host. It may hold
// {variable} references to the vendor's declared variables.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="self.matches('^(https://[^/?#@\\\\s\\\\\\\\]+|http://(localhost|127[.]0[.]0[.]1|\\\\[::1\\\\])(:[0-9]+)?)([/?][^#\\\\s\\\\\\\\]*)?$')",message="must be an https URL without user information or fragment; http is allowed for the hosts localhost, 127.0.0.1 and [::1] only"
type EndpointURL string

// ScopeToken is one scope value (RFC 6749 section 3.3).
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[!#-\\\\[\\\\]-~]+$')",message="a scope is printable ASCII without spaces, quotes or backslashes; put each scope in an item of its own"
type ScopeToken string

// AuthorizeParameterName names an extra authorization request parameter. The
// ones that the broker sets itself are refused.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['client_id','client_secret','redirect_uri','response_type','response_mode','scope','state','nonce','code','code_challenge','code_challenge_method','code_verifier','request','request_uri','resource','iss'])",message="this authorize parameter is reserved: the broker sets it; use scopes, resource or authorize.responseMode, or remove the entry"
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._~-]+$')",message="a parameter name is letters, digits and . _ ~ -"
type AuthorizeParameterName string

// TokenParameterName names an extra token request parameter. The ones that
// the broker sets itself are refused.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['grant_type','code','redirect_uri','client_id','client_secret','code_verifier','refresh_token','client_assertion','client_assertion_type','scope','resource'])",message="this token parameter is reserved: the broker sets it; remove the entry"
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._~-]+$')",message="a parameter name is letters, digits and . _ ~ -"
type TokenParameterName string

// HeaderName names an extra request header. The ones that carry credentials or
// frame the message are refused.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['authorization','proxy-authorization','cookie','host','content-length','content-type','transfer-encoding','connection','te','upgrade'])",message="this header is reserved: the broker or the HTTP client sets it; remove the entry"
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9-]+$')",message="a header name is letters, digits and -"
type HeaderName string

// AuthorizeParameter is an extra parameter of the authorization request.
type AuthorizeParameter struct {
	// name of the parameter.
	// +required
	Name AuthorizeParameterName `json:"name"`
	// value of the parameter; it may hold {variable} references.
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=512
	// +required
	Value string `json:"value"`
}

// TokenParameter is an extra parameter of a token request.
type TokenParameter struct {
	// name of the parameter.
	// +required
	Name TokenParameterName `json:"name"`
	// value of the parameter; it may hold {variable} references.
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=512
	// +required
	Value string `json:"value"`
}

// Header is an extra request header.
type Header struct {
	// name of the header.
	// +required
	Name HeaderName `json:"name"`
	// value of the header: visible ASCII and spaces.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^[ -~]+$`
	// +required
	Value string `json:"value"`
}

// SecretReference names a Secret in the same namespace as its owner (for the
// cluster-scoped OAuthVendor: the operator's namespace).
type SecretReference struct {
	// name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')",message="the name of a Secret is a DNS subdomain: lower-case letters, digits, - and dots; the namespace is not part of it"
	// +required
	Name string `json:"name"`
}

// NamespaceFrom says how namespaces are chosen.
//
// +kubebuilder:validation:Enum=None;All;Names;Selector
type NamespaceFrom string

const (
	// NamespacesNone chooses no namespace.
	NamespacesNone NamespaceFrom = "None"
	// NamespacesAll chooses every namespace.
	NamespacesAll NamespaceFrom = "All"
	// NamespacesByName chooses the namespaces listed in names.
	NamespacesByName NamespaceFrom = "Names"
	// NamespacesBySelector chooses the namespaces whose labels match selector.
	NamespacesBySelector NamespaceFrom = "Selector"
)

// NamespacePolicy chooses namespaces, in the manner of Gateway API's
// allowedRoutes.
//
// +kubebuilder:validation:XValidation:rule="(self.from == 'Names') == (has(self.names) && size(self.names) > 0)",message="names goes with from: Names, and from: Names needs at least one name"
// +kubebuilder:validation:XValidation:rule="(self.from == 'Selector') == has(self.selector)",message="selector goes with from: Selector, and from: Selector needs a selector"
type NamespacePolicy struct {
	// from says how namespaces are chosen: None, All, Names or Selector.
	// +required
	From NamespaceFrom `json:"from"`
	// names of namespaces, with from: Names.
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:MinLength=1
	// +listType=set
	// +optional
	Names []string `json:"names,omitempty"`
	// selector over namespace labels, with from: Selector. It is refused where
	// the operator runs in namespaced mode, since it cannot read namespaces there.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// ObservedSecret tells which version of a Secret a status speaks of.
type ObservedSecret struct {
	// name of the Secret.
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
	// uid of the Secret.
	// +kubebuilder:validation:MaxLength=64
	// +required
	UID string `json:"uid"`
	// resourceVersion of the Secret.
	// +kubebuilder:validation:MaxLength=64
	// +required
	ResourceVersion string `json:"resourceVersion"`
}
