// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"strings"
	"testing"

	oauthv1alpha1 "github.com/oauthbroker/oauth-broker/api/v1alpha1"
)

// TestLongTexts: objects full of mistakes, whose texts would be longer than a
// condition (32 KiB) or an event (1 KiB) may be, are told of all the same.
func TestLongTexts(t *testing.T) {
	in := newInstall(t)
	in.startBroker()
	in.start()
	vendor := in.vendor()
	vendor.Spec.Callback = &oauthv1alpha1.Callback{Path: oauthv1alpha1.CallbackVendor}
	credential := in.credential("all-wrong")
	for i := range 8 {
		v := oauthv1alpha1.Variable{Name: fmt.Sprint("v", i)}
		for j := range 32 {
			v.Enum = append(v.Enum, fmt.Sprint(j, strings.Repeat("é", 126)))
		}
		vendor.Spec.Variables = append(vendor.Spec.Variables, v)
		credential.Spec.Variables = append(credential.Spec.Variables, oauthv1alpha1.VariableValue{Name: v.Name, Value: "none"})
	}
	one := in.brokerClient("many-missing", vendor.Name)
	for i := range 127 {
		one.Spec.Vendors = append(one.Spec.Vendors, oauthv1alpha1.AllowedVendor{Name: fmt.Sprintf("none-%s-%d", strings.Repeat("x", 40), i)})
	}
	in.create(vendor, in.secret("all-wrong", "value"), credential, one)
	eventually(t, func() error { return condition(credential, "Accepted", "False", "Invalid") })
	eventually(t, func() error { return condition(one, "ResolvedRefs", "False", "VendorNotFound") })
	for name, reason := range map[string]string{credential.Name: "Invalid", one.Name: "VendorNotFound"} {
		eventually(t, func() error { return in.eventOn(in.tenant, name, reason) })
	}
}
