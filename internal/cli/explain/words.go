// SPDX-License-Identifier: Apache-2.0

package explain

import "strings"

// Words say what happened and what to do about it.
type Words struct {
	What string `json:"what"`
	Fix  string `json:"fix"`
}

// Words explains the event: by its cause, else by its outcome.
func (e *Event) Words() Words {
	for _, known := range causes() {
		if strings.Contains(e.Cause, known.part) {
			return e.fill(known.Words)
		}
	}
	return e.fill(byOutcome(e.Outcome))
}

// fill puts names in, so that commands can be pasted. What is no name, as in a
// line that is not the broker's, stays out.
func (e *Event) fill(w Words) Words {
	const inNames = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .:/-"
	name := func(value, placeholder string) string {
		if value == "" || strings.Trim(value, inNames) != "" {
			return placeholder
		}
		return value
	}
	namespace, client, _ := strings.Cut(name(e.Client, "NAMESPACE.CLIENT"), ".")
	r := strings.NewReplacer("{vendor}", name(e.Vendor, "VENDOR"), "{namespace}", namespace, "{client}", name(client, "CLIENT"), "{credential}", name(e.Credential, "the credential"))
	return Words{What: r.Replace(w.What), Fix: r.Replace(w.Fix)}
}

// known is advice for a cause that has part in it.
type known struct {
	part string
	Words
}

const (
	startAgain  = "Start the login again in the application."
	seeClient   = "kubectl -n {namespace} get brokerclient {client} -o yaml"
	seeVendor   = "kubectl get oauthvendor {vendor} -o yaml"
	waysOfCause = "kubectl describe oauthvendor {vendor}; kubectl -n {namespace} get byoccredentials"
)

// causes are the broker's own texts, the more special ones first.
func causes() []known {
	return append(append(requestCauses(), callbackCauses()...), tokenCauses()...)
}

func requestCauses() []known {
	return []known{
		{"redirect_uri not registered", Words{
			"The application asked to return to an address (redirect_uri) that its BrokerClient does not list.",
			"Compare letter by letter with spec.redirectURIs, and add it: " + seeClient + ". A program on a computer needs applicationType: Native, so that any loopback port is good.",
		}},
		{"unknown client", Words{
			"The client id is not known to the broker, or belongs to another broker class.",
			"A BrokerClient's id is <namespace>.<name>. Look whether it is Programmed: kubectl get brokerclients -A. A self-registered id ends when the key that sealed it is removed: register again.",
		}},
		{"no client_id", Words{"The application sent no client_id.", "Correct the application's OAuth configuration."}},
		{"vendor unknown, or not among the client's vendors", Words{
			"The client may not use this vendor, or the broker does not serve it.",
			"Name it in spec.vendors of the BrokerClient: " + seeClient + ". And look whether the vendor is Programmed: kubectl get oauthvendors",
		}},
		{"vendor is not among the client's vendors any more", Words{"The client lost this vendor after the login began.", "Name it in spec.vendors of the BrokerClient: " + seeClient}},
		{"client id metadata document not usable", Words{"The client id is a URL, and the document there cannot be used.", "The cause names the reason. The document must be public https JSON of at most 5 KiB, with its own URL as client_id."}},
		{"registration is disabled", Words{"This broker takes no clients that register themselves.", "Make a BrokerClient, or set broker.registration.mode of the chart (--registration)."}},
	}
}

func callbackCauses() []known {
	return []known{
		{"no cookie for this login", Words{
			"The browser that came back from the vendor is not the one that began the login, or its cookie is gone: another browser or profile, blocked cookies, more than 10 minutes, or more than 8 logins at once.",
			startAgain + " Where it happens to everybody: the vendor must send people back to the public URL of the broker (same host, https), and nothing in between may strip Set-Cookie.",
		}},
		{"no cookie for this consent page", Words{"The consent page was sent from another browser than the one that it was shown in, or cookies are blocked.", startAgain}},
		{"form and cookie do not fit", Words{"The consent page does not belong to the login of this browser.", startAgain}},
		{"mix-up: iss is missing", Words{
			"The vendor says in its metadata, or the OAuthVendor requires, that its answers name their issuer (iss), and this one did not.",
			"If the vendor never sends it, set spec.callback.issuerParameter and spec.callback.path: Vendor: " + seeVendor,
		}},
		{"mix-up: iss is not the vendor's issuer", Words{
			"The answer names another issuer than the vendor's. Either spec.issuer is wrong, or somebody tried to mix up two vendors.",
			"Compare spec.issuer with the issuer in the vendor's metadata document: oauth-broker vendors check --online FILE",
		}},
		{"mix-up: the vendor sends iss; set spec.issuer", Words{"The vendor names its issuer, and the broker has nothing to compare it with.", "Set spec.issuer of the OAuthVendor, or callback.path: Vendor: " + seeVendor}},
		{"mix-up: callback path differs", Words{
			"The vendor sent the user to another callback address than the one that the broker gave it.",
			"Register exactly this redirect URI at the vendor: kubectl get oauthvendor {vendor} -o jsonpath='{.status.redirectURI}'",
		}},
		{"mix-up: state and login name different vendors", Words{"The answer belongs to the login at another vendor. It was not used.", startAgain}},
		{"sealed value has expired", Words{"What the browser or the application brought back is too old: a login lives 10 minutes, a code one.", startAgain}},
		{"sealed with a key that is not in the ring", Words{
			"It was sealed with a key that this pod does not hold: the key was removed, or the pods do not share one key ring.",
			startAgain + " Compare the key ids of the pods: oauth-broker doctor",
		}},
		{"not a sealed value of this kind", Words{"The value is not one of this broker, or it was cut short or changed on its way.", startAgain + " If it happens always, look for proxies that change URLs."}},
		{"already taken", Words{"It was used before: the page was loaded again, or a link scanner or the browser's prefetch came first.", startAgain}},
		{"neither code nor error", Words{"The vendor sent the user back with neither a code nor an error.", "Look at spec.callback.codeParameter of the OAuthVendor, and the vendor's documentation: " + seeVendor}},
		{"client or redirect_uri is gone", Words{"The BrokerClient was removed, or its redirect URI was, while the user signed in.", seeClient}},
		{"redis is away", Words{"Redis could not be asked whether this was used before, so the broker refused (it fails closed).", "Bring Redis back; people can load the page again. oauth_broker_once_failures_total counts it."}},
	}
}

func tokenCauses() []known {
	return []known{
		{"wrong or missing client secret", Words{"The application sent a wrong client secret, or none.", "Compare what it has with the Secret that spec.authentication.secretRef names: " + seeClient}},
		{"code of another client", Words{"The code was given to another client. Somebody may have stolen it.", "Look where the client's codes go; see docs/security.md."}},
		{"credential was changed or removed", Words{"The credential that the login began with was changed or deleted meanwhile.", startAgain + " " + waysOfCause}},
		{"the namespace switched to its own credential", Words{"The tenant brought an OAuth app of its own, so tokens of the platform's app end.", startAgain}},
		{"shared use was withdrawn", Words{"The platform took the vendor's shared credential away from this client.", "credentials.allowedNamespaces of the OAuthVendor says who may use it: " + seeVendor}},
		{"credential_refused", Words{
			"The vendor does not accept the OAuth app's client id or secret ({credential}).",
			"Renew the Secret of {credential}: " + waysOfCause,
		}},
		{"grant_refused", Words{"The vendor refused the code or refresh token: it was used, revoked, or has expired.", startAgain + " If every login ends so, the redirect URI or PKCE mode differs from what the vendor has: " + seeVendor}},
		{"unavailable", Words{"The vendor was away, too slow, or asked to come back later.", "Try again. oauth_broker_vendor_requests_total has the rate; spec.transport.timeoutSeconds the limit."}},
		{"id_token_invalid", Words{"The vendor's ID token did not pass the checks; no token was handed out.", "The cause names the check. Compare spec.issuer and spec.identity with the vendor's metadata: oauth-broker vendors check --online FILE"}},
		{"malformed", Words{"The vendor's answer was no token response.", "Check endpoints.token and clientAuthentication of the OAuthVendor: oauth-broker vendors check --online FILE"}},
		{"refresh_token_reuse", Words{"A refresh token came a second time, so all refresh tokens of that sign-in ended: two programs share it, or it was stolen.", startAgain + " Let one program hold the refresh token."}},
		{"panic in the handler", Words{"The broker has a bug.", "Please report it with the stack that the log has under this requestID; see SECURITY.md if it may be a security problem."}},
	}
}

// byOutcome is for causes that are not known here.
func byOutcome(outcome string) Words {
	switch outcome {
	case "ok":
		return Words{"Nothing went wrong in this request.", "Look at the request after it: the broker's part succeeded."}
	case "access_denied":
		return Words{"The user pressed Cancel, or the vendor or its administrators denied the app.", "Ask the user. Some vendors want an administrator's approval of the app first."}
	case "invalid_scope":
		return Words{"A scope was asked for that the vendor, the OAuthVendor or the BrokerClient does not allow.", "Compare with spec.scopes.allowed: " + seeVendor}
	case "invalid_target":
		return Words{"A resource was asked for that is not allowed.", "Compare with spec.resource: " + seeVendor}
	case "invalid_client":
		return Words{"The application did not authenticate as it should.", seeClient}
	case "invalid_grant":
		return Words{"The code or refresh token was not good (any more), or its PKCE verifier was not.", startAgain}
	case "unauthorized_client":
		return Words{"The client may not do this.", "See its vendors, and the vendor's credentials.allowedNamespaces: " + seeClient + "; " + seeVendor}
	case "temporarily_unavailable":
		return Words{"Something was not ready: a credential, a client, the vendor or Redis.", "Try again; then: oauth-broker doctor"}
	case "server_error":
		return Words{"The vendor or the broker failed.", "The cause has more. " + waysOfCause}
	case "page_404":
		return Words{"There is no such address, or the broker does not serve this vendor.", "kubectl get oauthvendors"}
	}
	return Words{"The request was not valid; the cause says why.", "Correct the application's request."}
}
