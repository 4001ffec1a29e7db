// SPDX-License-Identifier: Apache-2.0

package once

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oauthbroker/oauth-broker/broker/limit"
)

// Redis takes things once across all replicas, and makes one of several equal
// calls do the work. Keys are digests and values are sealed by the caller: a
// dump of Redis tells nothing.
type Redis struct {
	client  redis.UniversalClient
	prefix  string
	flights flights
}

// clockSkew is how far the clocks of replicas may be apart: what is taken stays
// taken a little longer than the replica that took it thinks it lives.
const clockSkew = time.Minute

// opTimeout bounds one command: a slow Redis must not hold up requests.
const opTimeout = 2 * time.Second

// NewRedis connects to the Redis of a URL: redis://, rediss:// (TLS),
// redis+sentinel://host:port?master_name=NAME, or redis+cluster://host:port,host:port.
func NewRedis(url string) (*Redis, error) {
	client, err := dial(url)
	if err != nil {
		return nil, err
	}
	return &Redis{client: client, prefix: "oauth-broker:1:"}, nil
}

// Close closes the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Ping tells whether Redis can be written to, which everything here needs.
func (r *Redis) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := r.client.Set(ctx, r.prefix+"ping", "", time.Minute).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Take implements Store.
func (r *Redis) Take(ctx context.Context, taken Key, ttl time.Duration) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	receipt := Receipt{taken.String(), rand.Text()}
	ok, err := r.client.SetNX(ctx, r.prefix+receipt.key, receipt.owner, max(ttl, 0)+clockSkew).Result()
	if err == nil && !ok {
		// The library may have sent the command to a cluster twice. Whoever finds
		// itself as the owner was refused by its own first attempt.
		var by string
		by, err = r.client.Get(ctx, r.prefix+receipt.key).Result()
		ok = by == receipt.owner
	}
	switch {
	case err != nil && !errors.Is(err, redis.Nil):
		return Receipt{}, fmt.Errorf("redis: %w", err)
	case !ok:
		return Receipt{}, ErrTaken
	}
	return receipt, nil
}

// Release implements Store.
func (r *Redis) Release(ctx context.Context, receipt Receipt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
	defer cancel()
	if err := r.client.Eval(ctx, deleteOwn, []string{r.prefix + receipt.key}, receipt.owner).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Raise raises the mark at key to n, never lowers it, and keeps it for ttl. A
// mark that stands as high or higher is left as it is, and raised is false then.
func (r *Redis) Raise(ctx context.Context, key string, n int64, ttl time.Duration) (raised bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	raised, err = r.client.Eval(ctx, raiseMark, []string{r.prefix + key}, n, ttl.Milliseconds()).Bool()
	if err != nil {
		return false, fmt.Errorf("redis: %w", err)
	}
	return raised, nil
}

const raiseMark = `if tonumber(redis.call("get", KEYS[1]) or "0") >= tonumber(ARGV[1]) then return 0 end
redis.call("set", KEYS[1], ARGV[1], "px", ARGV[2]) return 1`

// Mark is how high the mark at key was raised; 0 where it never was.
func (r *Redis) Mark(ctx context.Context, key string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	n, err := r.client.Get(ctx, r.prefix+key).Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("redis: %w", err)
	}
	return n, nil
}

// spendTimeout is short: limits are asked on every request, and whoever cannot
// ask counts alone.
const spendTimeout = 500 * time.Millisecond

// Spend counts one request of key over all replicas (generic cell rate
// algorithm: Redis keeps the time at which the key's requests would be paid for)
// and returns how long it has to wait. The clock is Redis's own.
func (r *Redis) Spend(ctx context.Context, key string, limited limit.Rate) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, spendTimeout)
	defer cancel()
	gap := float64(time.Second.Microseconds()) / limited.PerSecond
	wait, err := r.client.Eval(ctx, spend, []string{r.prefix + NewKey("rate", key).String()}, int64(gap), int64(gap*float64(limited.Burst))).Int64()
	if err != nil {
		return 0, fmt.Errorf("redis: %w", err)
	}
	return time.Duration(wait) * time.Microsecond, nil
}

const spend = `local t = redis.call("time")
local now = t[1] * 1000000 + t[2]
local paid = math.max(tonumber(redis.call("get", KEYS[1]) or "0"), now) + tonumber(ARGV[1])
local wait = paid - now - tonumber(ARGV[2])
if wait > 0 then return math.ceil(wait) end
redis.call("set", KEYS[1], string.format("%.0f", paid), "px", math.ceil((paid - now) / 1000))
return 0`

// ErrUnavailable means that Redis did not answer before the work began.
var ErrUnavailable = errors.New("redis is away")

// How long a waiting call pauses before it looks for the answer again, at first
// and at most: a vendor that hangs keeps many waiting, and all of them ask Redis.
const (
	firstLook = 25 * time.Millisecond
	lastLook  = 400 * time.Millisecond
)

// Once lets one of all callers with the same key do the work, and gives its
// answer to the others, and to late ones for as long as keep. An error of the
// work goes to those that wait in this replica; in another, the next one tries
// itself. lease bounds the work.
func (r *Redis) Once(ctx context.Context, key string, p Policy, work func() (string, error)) (string, error) {
	return r.flights.do(ctx, key, func() (string, error) { return r.overReplicas(ctx, key, p, work) })
}

func (r *Redis) overReplicas(ctx context.Context, key string, p Policy, work func() (string, error)) (string, error) {
	owner := rand.Text()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		answer, mine, err := r.claim(ctx, key, owner, p.Lease)
		switch {
		case err != nil:
			return "", errors.Join(ErrUnavailable, err)
		case answer != "":
			return answer, nil
		case mine:
			return r.run(ctx, claim{key, owner, p.Keep}, work)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Policy bounds the work and how long its answer is kept.
type Policy struct {
	Lease time.Duration
	Keep  time.Duration
}

// claim reads the answer, or else tries to become the one who works for it.
func (r *Redis) claim(ctx context.Context, key, owner string, lease time.Duration) (answer string, mine bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	answer, err = r.client.Get(ctx, r.prefix+"answer:"+key).Result()
	if err == nil || !errors.Is(err, redis.Nil) {
		return answer, false, err
	}
	mine, err = r.client.SetNX(ctx, r.prefix+"lease:"+key, owner, lease).Result()
	if err != nil || !mine {
		return "", false, err
	}
	// Another may have finished between the two commands.
	answer, err = r.client.Get(ctx, r.prefix+"answer:"+key).Result()
	if errors.Is(err, redis.Nil) {
		return "", true, nil
	}
	return answer, false, err
}

// claim is one caller's right to do the work of a key.
type claim struct {
	key, owner string
	keep       time.Duration
}

func (r *Redis) run(ctx context.Context, c claim, work func() (string, error)) (string, error) {
	answer, err := work()
	// The outcome is kept even if the caller went away meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
	defer cancel()
	if err == nil {
		// The caller gets its tokens whether or not they can be kept for a retry.
		_ = r.client.Set(ctx, r.prefix+"answer:"+c.key, answer, c.keep).Err()
	}
	_ = r.client.Eval(ctx, deleteOwn, []string{r.prefix + "lease:" + c.key}, c.owner).Err()
	return answer, err
}

// deleteOwn deletes a take or a lease only for its owner: one that ran out may be
// another's by now.
const deleteOwn = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end return 0`
