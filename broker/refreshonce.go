// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/oauthbroker/oauth-broker/broker/limit"
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
	// Raise raises the mark at a key to n and keeps it for ttl; raised is false
	// where it stood as high already.
	Raise(ctx context.Context, key string, n int64, ttl time.Duration) (raised bool, err error)
	// Mark is how high a mark was raised; 0 where it never was.
	Mark(ctx context.Context, key string) (int64, error)
	// Once lets one caller of a key do the work and gives the others its answer.
	Once(ctx context.Context, key string, p once.Policy, work func() (string, error)) (string, error)
	// Spend counts a request over all replicas.
	limit.Shared
	// Ping tells whether all of this works now.
	Ping(ctx context.Context) error
}

const (
	// answerLife is how long a refresh's answer is kept, sealed, for callers that
	// asked at the same time or lost the answer.
	answerLife = 30 * time.Second
	// answerSealed outlives it, as replicas' clocks differ: it is the store that
	// drops the answer in time.
	answerSealed = answerLife + time.Minute
	// reuseGrace is how long after its use a refresh token's second use is taken
	// for a retry and not for a theft.
	reuseGrace = time.Minute
	// familyEnded is the mark of a family whose refresh tokens are all refused.
	familyEnded = math.MaxInt32
)

// refreshment is one refresh, after every check.
type refreshment struct {
	// shown is the refresh token as the client sent it.
	shown    string
	grant    *grant
	endpoint vendor.Endpoint
	exchange vendor.RefreshExchange
}

// refreshOnce refreshes at the vendor. With Redis, equal refreshes over all
// replicas make one call and all get its answer, and a used refresh token that
// comes back later ends its family. Without, the vendor's own rule decides.
func (s *Server) refreshOnce(r *request, t *tokenRequest, f refreshment) (*vendor.Result, error) {
	call := func(ctx context.Context) (*vendor.Result, error) {
		return s.vendors.Refresh(ctx, f.endpoint, f.exchange, vendor.IDTokenCheck{Subject: f.grant.Subject})
	}
	if s.Shared == nil {
		return call(r.Context())
	}
	res, err := s.refreshShared(r, t, f, call)
	switch {
	case errors.Is(err, once.ErrUnavailable) && !f.endpoint.Vendor.Refresh.SingleUse && !onlyBrokerRotates(t.client, f.endpoint):
		return call(r.Context())
	case errors.Is(err, once.ErrUnavailable):
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the broker cannot make sure that the refresh token is used once; try again").Because(err)
	case err != nil:
		return nil, err
	}
	s.markUsed(r, t, f, res)
	return res, nil
}

// refreshShared makes the call, or gets the answer of an equal one. Its error is
// once.ErrUnavailable where the vendor was not called because Redis is away.
func (s *Server) refreshShared(r *request, t *tokenRequest, f refreshment, call func(context.Context) (*vendor.Result, error)) (*vendor.Result, error) {
	if err := s.checkFamily(r, f); err != nil {
		return nil, err
	}
	key := f.key(r.keys, t.client)
	policy := once.Policy{Lease: time.Duration(f.endpoint.Vendor.Transport.TimeoutSeconds)*time.Second + 5*time.Second, Keep: answerLife}
	sealed, err := s.Shared.Once(r.Context(), key, policy, func() (string, error) {
		next, err := s.nextStep(r, f.grant)
		if err != nil {
			return "", err
		}
		if f.grant.Step < next {
			return "", invalidRefreshToken(errors.New("refresh token was used a moment ago, and its answer is not kept any more"))
		}
		// A client that goes away asks again: the answer is worth having, and the
		// vendor may have spent the token already.
		res, err := call(context.WithoutCancel(r.Context()))
		if err != nil {
			return "", err
		}
		return r.keys.Seal(seal.Answer, s.Now().Add(answerSealed), key, keptAnswer(res))
	})
	if err != nil {
		return nil, err
	}
	var kept answer
	if err := r.keys.Open(seal.Answer, sealed, key, &kept); err != nil {
		return nil, oauth.Errorf(oauth.TemporarilyUnavailable, "the answer of an equal refresh cannot be read; try again").Because(err)
	}
	return kept.result(), nil
}

// key names equal refreshes: same token, client, credential, scope, resource. It
// is an HMAC under the key that sealed the token; a vendor's own has none.
func (f refreshment) key(keys *seal.Ring, c *runtimeconfig.Client) string {
	name := fmt.Sprintf("%q", []any{f.exchange.RefreshToken.Reveal(), c.ID, f.grant.Binding, f.exchange.Scopes, f.exchange.Resource})
	if digest, err := keys.Digest(f.shown, name); err == nil {
		name = digest
	}
	return once.NewKey("refresh", name).String()
}

// A family is all refresh tokens of one sign-in. Each time that the client gets
// another one for the one it showed, the step goes up; copies of one answer have
// the same step. Redis remembers one number for a family: the lowest step that
// was not used yet.

func (g *grant) familyKey() string { return once.NewKey("family", g.Family).String() }

// stepKey is there for a while after the step was used.
func (g *grant) stepKey() string {
	return once.NewKey("step", g.Family, strconv.FormatInt(g.Step, 10)).String()
}

// replaced tells whether the client has to use another refresh token from now
// on: the vendor rotated it, or the client is public, where the broker does.
func (g *grant) replaced(c *runtimeconfig.Client, res *vendor.Result) bool {
	rotated := !res.RefreshToken.Empty() && !res.RefreshToken.Equal(secret.New(g.Token))
	return rotated || c.Auth == runtimeconfig.ClientNone
}

// after is the step of the refresh token that the client gets.
func (g *grant) after(c *runtimeconfig.Client, res *vendor.Result) int64 {
	if g.replaced(c, res) {
		return g.Step + 1
	}
	return g.Step
}

// nextStep is the lowest step of g's family that was not used yet.
func (s *Server) nextStep(r *request, g *grant) (int64, error) {
	if g.Family == "" { // sealed before there were families
		return 0, nil
	}
	next, err := s.Shared.Mark(r.Context(), g.familyKey())
	if err != nil {
		return 0, errors.Join(once.ErrUnavailable, err)
	}
	return next, nil
}

// checkFamily refuses the tokens of a family that ended, and ends it where a
// used token comes back: soon after its use that is a late retry, and later
// somebody has a copy (OAuth 2.1 section 4.3.1).
func (s *Server) checkFamily(r *request, f refreshment) error {
	g := f.grant
	next, err := s.nextStep(r, g)
	switch {
	case err != nil:
		return err
	case next == familyEnded:
		return invalidRefreshToken(errors.New("all refresh tokens of this sign-in ended: one was revoked, or came back after its use"))
	case g.Step >= next:
		return nil
	}
	soon, err := s.Shared.Mark(r.Context(), g.stepKey())
	switch {
	case err != nil:
		return errors.Join(once.ErrUnavailable, err)
	case soon > 0:
		return nil
	}
	ended, err := s.Shared.Raise(context.WithoutCancel(r.Context()), g.familyKey(), familyEnded, s.Lifetimes.Grant)
	cause := errors.Join(errors.New("refresh_token_reuse: all refresh tokens of this sign-in end"), err)
	if ended {
		cause = fmt.Errorf("%w; %s", cause, s.revokeEnded(r, f))
	}
	return invalidRefreshToken(cause)
}

// endTimeout bounds the revocation of what ended.
const endTimeout = 5 * time.Second

// revokeEnded tries once to revoke, at the vendor, the refresh token that came
// back: many vendors end the whole grant with it. It tells what came of that.
func (s *Server) revokeEnded(r *request, f refreshment) string {
	if err := revocable(f.endpoint, hintRefresh); err != nil {
		return "not revoked at the vendor: " + err.Description
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endTimeout)
	defer cancel()
	if err := s.vendors.Revoke(ctx, f.endpoint, f.exchange.RefreshToken, hintRefresh); err != nil {
		return "not revoked at the vendor: " + err.Error()
	}
	return "revoked at the vendor"
}

// markUsed notes that the client got another refresh token for this one. It has
// its tokens whether or not that can be noted.
func (s *Server) markUsed(r *request, t *tokenRequest, f refreshment, res *vendor.Result) {
	if f.grant.Family == "" || f.grant.raw || !f.grant.replaced(t.client, res) {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	_, err := s.Shared.Raise(ctx, f.grant.stepKey(), 1, reuseGrace)
	if err == nil {
		_, err = s.Shared.Raise(ctx, f.grant.familyKey(), f.grant.Step+1, s.Lifetimes.Grant)
	}
	if err != nil {
		r.event.cause = "used refresh token not noted: redis is away"
	}
}

// answer is what is kept of a vendor's answer.
type answer struct {
	Members  oauth.Object `json:"m"`
	Token    string       `json:"t,omitempty"`
	Scope    []string     `json:"s,omitempty"`
	HasScope bool         `json:"h,omitempty"`
	Subject  string       `json:"u,omitempty"`
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
