// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net/http"
	"strings"

	"github.com/oauthbroker/oauth-broker/broker/audit"
	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// auditRequest tells the audit log of a request.
func (s *Server) auditRequest(r *request, status int) {
	if record, ok := r.event.record(r.config, status); ok {
		record.Time = s.Now()
		s.Audit.Add(record)
	}
}

// record is what the audit log tells of a request; ok is false where nobody was
// given or refused anything. The tenant is that of config's client.
func (e *event) record(config *runtimeconfig.Snapshot, status int) (r audit.Record, ok bool) {
	action := e.action(status)
	if action == "" {
		return r, false
	}
	r = audit.Record{
		Action: action, Outcome: outcomeOf(e.outcome), RequestID: e.id, Client: e.client, Vendor: e.vendor, Credential: e.credential,
	}
	if r.Outcome != "success" {
		r.Reason = e.outcome
	}
	if config != nil {
		if c, known := config.Client(e.client); known {
			r.Tenant = c.Namespace
		}
	}
	return r, true
}

// action is what a request asked for; empty for what is only a step on the way,
// or reads what everybody may.
func (e *event) action(status int) audit.Action {
	if status == http.StatusMethodNotAllowed || e.method == http.MethodOptions {
		return ""
	}
	switch e.pattern[strings.LastIndex(e.pattern, "/")+1:] {
	case "authorize", "par":
		if e.outcome == "ok" || e.outcome == consentShown {
			return "" // the callback tells how it ended
		}
		return audit.Authorization
	case "consent":
		return audit.Consent
	case "token":
		if e.grant == grantRefresh {
			return audit.TokenRefresh
		}
		return audit.TokenIssue
	case "revoke":
		return audit.TokenRevoke
	case "register":
		if e.vendor != "" && !strings.Contains(e.pattern, "{vendor}") {
			return audit.VendorRegister
		}
		return audit.ClientRegister
	}
	if strings.HasPrefix(e.pattern, "/v1/callback") && (e.method == http.MethodGet || e.outcome != "ok") {
		return audit.Authorization
	}
	return ""
}

// outcomeOf tells a refusal that was meant from what went wrong.
func outcomeOf(code string) string {
	switch {
	case code == "ok":
		return "success"
	case code == oauth.ServerError, code == oauth.TemporarilyUnavailable, code == "panic", strings.HasPrefix(code, "page_5"):
		return "failure"
	}
	return "denied"
}
