// SPDX-License-Identifier: Apache-2.0

package once

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// dial makes the client of a Redis URL. Errors never hold the URL: it has the
// password in it.
func dial(raw string) (redis.UniversalClient, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("redis: the URL is not valid")
	}
	switch u.Scheme {
	// A command is never sent twice: a take that is repeated would refuse itself.
	case "redis", "rediss":
		o, err := redis.ParseURL(raw)
		if err != nil {
			return nil, errors.New("redis: the URL is not valid")
		}
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.MaxRetries = time.Second, opTimeout, opTimeout, -1
		return redis.NewClient(o), nil
	case "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster":
		return universal(u)
	}
	return nil, fmt.Errorf("redis: the scheme must be redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster")
}

func universal(u *url.URL) (redis.UniversalClient, error) {
	plain := url.URL{Scheme: strings.Split(u.Scheme, "+")[0], User: u.User, Host: strings.Split(u.Host, ",")[0], Path: u.Path}
	one, err := redis.ParseURL(plain.String())
	if err != nil {
		return nil, errors.New("redis: the URL is not valid")
	}
	o := &redis.UniversalOptions{
		Addrs: strings.Split(u.Host, ","), Username: one.Username, Password: one.Password, DB: one.DB, TLSConfig: one.TLSConfig,
		DialTimeout: time.Second, ReadTimeout: opTimeout, WriteTimeout: opTimeout, MaxRetries: -1,
		MasterName: u.Query().Get("master_name"), IsClusterMode: strings.HasSuffix(u.Scheme, "+cluster"),
	}
	if strings.HasSuffix(u.Scheme, "+sentinel") && o.MasterName == "" {
		return nil, errors.New("redis: a sentinel URL needs ?master_name=")
	}
	return redis.NewUniversalClient(o), nil
}
