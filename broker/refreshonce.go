// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/oauth"
	"github.com/oauthbroker/oauth-broker/broker/once"
	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/broker/vendor"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
	"github.com/oauthbroker/oauth-broker/internal/secret"
)

// Shared is what replicas share when there is a Redis.
type Shared interface {
	once.Store
	// Taken tells whether a key was taken.
	Taken(ctx context.Context, key string) (bool, error)
	// Once lets one caller of a key do the work and gives the others its answer.
	Once(ctx context.Context, key string, p once.Policy, work func() (string, error)) (string, error)
}

const (
	// answerLife is how long a refresh's answer is kept, sealed, for callers that
	// asked at the same time or lost the answer.
	answerLife = 30 * time.Second
	// reuseGrace is how long after its use a refresh token's second use is taken
	// for a retry and not for a theft.
	reuseGrace = time.Minute
)

// refreshment is one refresh, after every check.
type refreshment struct {
	grant     *grant
	endpoint  vendor.Endpoint
	exchange  vendor.RefreshExchange
	presented secret.Text
}

// refreshOnce refreshes at the vendor. With Redis, equal refreshes over all
// replicas make one call and all get its answer, and a used refresh token that
// comes back later ends its family. Without, the vendor's own rule decides.
func (s *Server) refreshOnce(r *request, t *tokenRequest, f refreshment) (*vendor.Result, error) {
	call := func() (*vendor.Result, error) {
		return s.vendors.Refresh(r.Context(), f.endpoint, f.exchange, vendor.IDTokenCheck{Subject: f.grant.Subject})
	}
	if s.Shared == nil {
		return call()
	}
	if err := s.checkFamily(r, f); err != nil {
		return nil, err
	}
	key := f.key(t.client)
	policy := once.Policy{Lease: time.Duration(f.endpoint.Vendor.Transport.TimeoutSeconds)*time.Second + 5*time.Second, Keep: answerLife}
	sealed, err := s.Shared.Once(r.Context(), key, policy, func() (string, error) {
		if err := s.checkReuse(r, f); err != nil {
			return "", err
		}
		res, err := call()
		if err != nil {
			return "", err
		}
		s.markUsed(r, t, f, res)
		return r.keys.Seal(seal.Answer, s.Now().Add(answerLife), key, keptAnswer(res))
	})
	switch {
	case errors.Is(err, once.ErrUnavailable) && !f.endpoint.Vendor.Refresh.SingleUse:
		return call()
	case errors.Is(err, once.ErrUnavailable):
		return nil, sharedAway(err)
	case err != nil:
		return nil, err
	}
	var kept answer
	if err := r.keys.Open(seal.Answer, sealed, key, &kept); err != nil {
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the answer of an equal refresh cannot be read; try again").Because(err)
	}
	return kept.result(), nil
}

// key names equal refreshes: same token, client, credential, scope, resource.
func (f refreshment) key(c *runtimeconfig.Client) string {
	return onceKey("refresh", fmt.Sprintf("%q", []any{f.exchange.RefreshToken.Reveal(), c.ID, f.grant.Binding, f.exchange.Scopes, f.exchange.Resource}))
}

func sharedAway(err error) *oauth.Error {
	return oauth.Errorf(oauth.TemporarilyUnavailable, "the broker cannot make sure that the refresh token is used once; try again").Because(err)
}

// checkFamily refuses the tokens of a family that ended. When Redis is away
// the vendor's rule decides, as it does without Redis.
func (s *Server) checkFamily(r *request, f refreshment) error {
	if f.grant.Family == "" {
		return nil
	}
	if dead, err := s.Shared.Taken(r.Context(), onceKey("ended", f.grant.Family)); err == nil && dead {
		return invalidRefreshToken(errors.New("a used refresh token of this sign-in came back: all of them ended"))
	}
	return nil
}

// checkReuse finds a refresh token that was exchanged for another before. Soon
// after, that is a late retry; later, somebody has a copy, and the family ends
// (OAuth 2.1 section 4.3.1).
func (s *Server) checkReuse(r *request, f refreshment) error {
	used, err := s.Shared.Taken(r.Context(), onceKey("used", f.presented.Reveal()))
	if err != nil {
		return sharedAway(err)
	}
	if !used {
		return nil
	}
	if soon, err := s.Shared.Taken(r.Context(), onceKey("used-now", f.presented.Reveal())); err != nil || soon {
		return invalidRefreshToken(errors.New("refresh token was used a moment ago"))
	}
	if f.grant.Family != "" {
		err = s.Shared.Take(r.Context(), onceKey("ended", f.grant.Family), s.Lifetimes.Grant)
	}
	return invalidRefreshToken(errors.Join(errors.New("refresh_token_reuse: all refresh tokens of this sign-in ended"), err))
}

// markUsed notes that the client got another refresh token for this one: from
// the vendor, or, for public clients, from the broker.
func (s *Server) markUsed(r *request, t *tokenRequest, f refreshment, res *vendor.Result) {
	rotated := !res.RefreshToken.Empty() && !res.RefreshToken.Equal(f.exchange.RefreshToken)
	if f.grant.raw || !rotated && t.client.Auth != runtimeconfig.ClientNone {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	err := errors.Join(
		s.Shared.Take(ctx, onceKey("used-now", f.presented.Reveal()), reuseGrace),
		s.Shared.Take(ctx, onceKey("used", f.presented.Reveal()), s.Lifetimes.Grant),
	)
	if err != nil && !errors.Is(err, once.ErrTaken) {
		r.event.cause = "used refresh token not noted: redis is away"
	}
}

// answer is what is kept of a vendor's answer.
type answer struct {
	Members  map[string]json.RawMessage `json:"m"`
	Token    string                     `json:"t,omitempty"`
	Scope    []string                   `json:"s,omitempty"`
	HasScope bool                       `json:"h,omitempty"`
	Subject  string                     `json:"u,omitempty"`
}

func keptAnswer(r *vendor.Result) answer {
	return answer{Members: r.Members, Token: r.RefreshToken.Reveal(), Scope: r.Scope, HasScope: r.HasScope, Subject: r.Subject}
}

func (a answer) result() *vendor.Result {
	return &vendor.Result{
		Tokens:  &vendor.Tokens{Members: a.Members, RefreshToken: secret.New(a.Token), Scope: a.Scope, HasScope: a.HasScope},
		Subject: a.Subject,
	}
}
