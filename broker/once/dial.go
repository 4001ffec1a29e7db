// SPDX-License-Identifier: Apache-2.0

package once

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The forms of a Redis URL, by their schemes; with rediss, TLS.
const (
	oneServer = ""
	sentinel  = "sentinel"
	cluster   = "cluster"
)

// dial makes the client of a Redis URL. Errors never hold the URL: it has the
// password in it.
func dial(raw string) (redis.UniversalClient, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("redis: the URL is not valid; a password in it is percent-encoded")
	}
	protocol, form, _ := strings.Cut(u.Scheme, "+")
	if protocol != "redis" && protocol != "rediss" || !slices.Contains([]string{oneServer, sentinel, cluster}, form) {
		return nil, errors.New("redis: the scheme must be redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster or rediss+cluster")
	}
	if err := onlyKnown(u.Query(), protocol, form); err != nil {
		return nil, err
	}
	o := &redis.UniversalOptions{
		MasterName: u.Query().Get("master_name"), IsClusterMode: form == cluster,
		SentinelUsername: u.Query().Get("sentinel_username"), SentinelPassword: u.Query().Get("sentinel_password"),
		// No command is sent twice by our will, and none waits longer than its context.
		MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second, ReadTimeout: opTimeout, WriteTimeout: opTimeout, ContextTimeoutEnabled: true,
		// Less to shake hands about, and fewer rights that the user needs.
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	if o.Addrs, err = addresses(u.Host, form); err != nil {
		return nil, err
	}
	if o.DB, err = database(u.Path, form); err != nil {
		return nil, err
	}
	if protocol == "rediss" {
		if o.TLSConfig, err = tlsConfig(u.Query()); err != nil {
			return nil, err
		}
	}
	return redis.NewUniversalClient(o), nil
}

// onlyKnown refuses parameters that would have no effect.
func onlyKnown(q url.Values, protocol, form string) error {
	known := []string{}
	if protocol == "rediss" {
		known = append(known, "ca_file", "cert_file", "key_file")
	}
	if form == sentinel {
		known = append(known, "master_name", "sentinel_username", "sentinel_password")
		if q.Get("master_name") == "" {
			return errors.New("redis: a sentinel URL needs ?master_name=")
		}
	}
	for name, values := range q {
		if len(values) != 1 || !slices.Contains(known, name) {
			return fmt.Errorf("redis: the URL may have the parameters %q, each once", known)
		}
	}
	return nil
}

// addresses reads hosts, separated by commas.
func addresses(hosts, form string) ([]string, error) {
	port := "6379"
	if form == sentinel {
		port = "26379"
	}
	var out []string
	for host := range strings.SplitSeq(hosts, ",") {
		one := url.URL{Host: host}
		switch {
		case one.Hostname() == "":
			return nil, errors.New("redis: the URL names no host, or an empty one")
		case one.Port() == "":
			host = net.JoinHostPort(one.Hostname(), port)
		}
		out = append(out, host)
	}
	if form == oneServer && len(out) > 1 {
		return nil, errors.New("redis: several hosts need redis+sentinel or redis+cluster")
	}
	return out, nil
}

func database(path, form string) (int, error) {
	path = strings.Trim(path, "/")
	if path == "" {
		return 0, nil
	}
	db, err := strconv.Atoi(path)
	switch {
	case err != nil || db < 0:
		return 0, errors.New("redis: the path of the URL must be the number of a database")
	case form == cluster && db != 0:
		return 0, errors.New("redis: a cluster has no databases but 0")
	}
	return db, nil
}

// tlsConfig trusts the system's CAs, or ca_file alone. The name that a
// certificate must have is the host's, of whichever node is called.
func tlsConfig(q url.Values) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := q.Get("ca_file"); file != "" {
		pem, err := os.ReadFile(file) //nolint:gosec // whoever writes the URL names the file
		if err != nil {
			return nil, fmt.Errorf("redis: ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("redis: ca_file holds no certificate")
		}
	}
	if q.Has("cert_file") != q.Has("key_file") {
		return nil, errors.New("redis: cert_file and key_file go together")
	}
	if q.Has("cert_file") {
		pair, err := tls.LoadX509KeyPair(q.Get("cert_file"), q.Get("key_file"))
		if err != nil {
			return nil, fmt.Errorf("redis: cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// LogTo makes the Redis library log where the process does. What it says is
// for those who look for the cause of a failure, which requests tell themselves.
func LogTo(log *slog.Logger) { redis.SetLogger(logger{log}) }

type logger struct{ log *slog.Logger }

// Printf is what the library calls.
func (l logger) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
}
