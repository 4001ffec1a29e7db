// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/oauthbroker/oauth-broker/broker/seal"
	"github.com/oauthbroker/oauth-broker/controllers/translate"
	"github.com/oauthbroker/oauth-broker/internal/filesource"
	"github.com/oauthbroker/oauth-broker/internal/kubesource"
	"github.com/oauthbroker/oauth-broker/internal/runtimeconfig"
)

// source hands over every new snapshot until ctx ends.
type source func(ctx context.Context, set func(*runtimeconfig.Snapshot)) error

// newSource makes the source that the flags name.
func newSource(o options, keys *seal.Keys, registry *prometheus.Registry, log *slog.Logger) (source, error) {
	var confirmed atomic.Int64
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "oauth_broker_config_confirmed_timestamp_seconds", Help: "When the source of configuration was last read and what is served found to be current; 0 before the first time.",
	}, func() float64 { return float64(confirmed.Load()) }))
	onCurrent := func() { confirmed.Store(time.Now().Unix()) }
	if o.config != "" {
		return newFileSource(o, onCurrent, log)
	}
	return newKubeSource(o, kubeParts{keys: keys, registry: registry, onCurrent: onCurrent, log: log})
}

func newFileSource(o options, onCurrent func(), log *slog.Logger) (source, error) {
	s, err := filesource.New(filesource.Options{
		Dir:       o.config,
		Settings:  translate.Settings{BrokerClass: o.brokerClass, PublicURL: o.publicURL, OperatorNamespace: o.namespace},
		LookupEnv: os.LookupEnv, Now: time.Now, Logger: log, OnCurrent: onCurrent,
	})
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	return func(ctx context.Context, set func(*runtimeconfig.Snapshot)) error {
		// A directory that is wrong from the start is an error now, not a log line.
		first, err := s.Load(ctx)
		if err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		set(first)
		onCurrent()
		return ended(s.Run(ctx, set))
	}, nil
}

type kubeParts struct {
	keys      *seal.Keys
	registry  *prometheus.Registry
	onCurrent func()
	log       *slog.Logger
}

func newKubeSource(o options, p kubeParts) (source, error) {
	config, err := restConfig(o.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	problems := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "oauth_broker_config_problems_total", Help: "Published configurations that could not be loaded, by reason; the last good one went on serving.",
	}, []string{"reason"})
	p.registry.MustRegister(problems)
	for _, reason := range kubesource.Problems() { // an alert on the increase must see the first one, too
		problems.WithLabelValues(reason)
	}
	ko := kubesource.Options{
		Config: config, Namespace: o.publishedNamespace, Log: p.log, OnCurrent: p.onCurrent,
		Snapshot:  runtimeconfig.Options{LookupEnv: os.LookupEnv, Now: time.Now},
		OnProblem: func(reason string) { problems.WithLabelValues(reason).Inc() },
	}
	kept := &lastGood{path: o.lastGood, keys: p.keys, now: time.Now, log: p.log, create: os.CreateTemp}
	if o.lastGood != "" {
		ko.Save, ko.Restore = kept.Save, kept.Restore
	}
	s, err := kubesource.New(ko)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, set func(*runtimeconfig.Snapshot)) error {
		written := make(chan struct{})
		go func() {
			kept.Run(ctx, lastGoodPause)
			close(written)
		}()
		err := s.Run(ctx, set)
		<-written
		return ended(err)
	}, nil
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("none is given, and this is not a pod of a cluster: %w", err)
		}
		return config, nil
	}
	return clientcmd.BuildConfigFromFlags("", kubeconfig)
}

// ended makes the end that was asked for no error.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
