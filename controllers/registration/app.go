// SPDX-License-Identifier: Apache-2.0

package registration

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// App is an app that a vendor registered, with all that is needed to manage it
// when the vendor's object is gone.
type App struct {
	Vendor     string
	SoftwareID string
	ClientID   string
	// ClientSecret is empty for a public client.
	ClientSecret secret.Text
	// PrivateKey is what the broker signs assertions with, PEM; empty but where the
	// app was registered for private_key_jwt.
	PrivateKey secret.Text
	// AuthMethod is the token_endpoint_auth_method that the vendor registered.
	AuthMethod string
	// SecretExpires is zero where the secret does not.
	SecretExpires time.Time
	// Endpoint is where it was registered.
	Endpoint string
	// ManagementURL and AccessToken are empty where the vendor has no RFC 7592.
	ManagementURL string
	AccessToken   secret.Text
	Transport     runtimeconfig.Transport
}

// manageable tells whether the vendor lets the app be changed and deleted.
func (a *App) manageable() bool { return a.ManagementURL != "" }

// Vendor makes the calls. Each is made once, and its errors are of type *Error.
type Vendor interface {
	// Register makes an app (RFC 7591). It returns an app with an error where the
	// vendor made one that cannot be used.
	Register(ctx context.Context, r *translate.Registration, softwareID string) (*App, error)
	// Update changes an app (RFC 7592 section 2.2); the answer may hold new secrets.
	Update(ctx context.Context, r *translate.Registration, app *App) (*App, error)
	// Delete deletes an app (RFC 7592 section 2.3).
	Delete(ctx context.Context, app *App) error
}

// Error is a call that failed.
type Error struct {
	// Message is a text of ours, with nothing of the vendor's but a standard error
	// code. It goes into status.
	Message string
	// Status of the answer; 0 where none came.
	Status int
	// Unsent is true where the vendor provably did not act on the request.
	Unsent bool
	// RetryAfter is what the vendor asked for; 0 where it did not.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Message }

// refused tells whether the vendor said no: it did nothing, and will say the same
// again.
func (e *Error) refused() bool {
	return !e.Unsent && e.Status >= 300 && e.Status < 500 && e.Status != http.StatusRequestTimeout
}

// asError is err as an *Error; one of another type has an unknown outcome.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Message: "the call failed"}
}

// result is the value of a metric's label.
func result(err error) string {
	e := asError(err)
	switch {
	case err == nil:
		return "ok"
	case e.refused():
		return "refused"
	case e.Unsent:
		return "unavailable"
	}
	return "unknown"
}
