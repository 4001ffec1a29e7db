// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/cli/explain"
	"github.com/oauthbroker/oauth-broker/internal/cli/kube"
	"github.com/oauthbroker/oauth-broker/internal/command"
)

// explainFlags are the flags of `explain`.
type explainFlags struct {
	cluster kube.Options
	logFile string
	since   time.Duration
	asJSON  bool
}

func newExplain() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain CODE",
		Short: "Explain the code that an error page shows",
		Long: `Find what a broker logged under the code that an error page shows, and say what
happened and what to do.

The logs of all broker pods are read through the API server (this needs get on
pods/log in the namespace of the install), those from before a restart too. Logs
that are kept elsewhere come by --log-file.`,
		Example: "  oauth-broker explain ZFOVH5TKCB2YRYJBV6J2YJ3ELM\n  aws logs tail /ecs/broker --format short | oauth-broker explain --log-file - ZFOVH5TKCB2YRYJBV6J2YJ3ELM",
		Args:    command.Arguments(cobra.ExactArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	clusterFlags(c.Flags(), &f.cluster)
	c.Flags().StringVar(&f.logFile, "log-file", "", "look in this file instead of the pods' logs; - is standard input")
	c.Flags().DurationVar(&f.since, "since", 24*time.Hour, "how far to look back in the pods' logs")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

func (f *explainFlags) run(c *cobra.Command, id string) error {
	if err := explain.CheckID(id); err != nil {
		return command.SeeHelp(c, err)
	}
	event, err := f.find(c, id)
	if err != nil {
		return err
	}
	if event == nil {
		return fmt.Errorf("no log has %s. It may be older than the logs (--since), of another install (-n), or the log level may be error: such events are logged as warnings", id)
	}
	if f.asJSON {
		return command.JSON(c.OutOrStdout(), struct {
			Event *explain.Event `json:"event"`
			explain.Words
		}{event, event.Words()})
	}
	_, err = io.WriteString(c.OutOrStdout(), event.Text())
	return err
}

func (f *explainFlags) find(c *cobra.Command, id string) (*explain.Event, error) {
	switch f.logFile {
	case "":
		return f.findInPods(c.Context(), id)
	case "-":
		return explain.Find(c.InOrStdin(), id)
	}
	file, err := os.Open(f.logFile)
	if err != nil {
		return nil, fmt.Errorf("--log-file: %w", err)
	}
	defer func() { _ = file.Close() }()
	return explain.Find(file, id)
}

// findInPods reads the logs of all broker pods at once.
func (f *explainFlags) findInPods(ctx context.Context, id string) (*explain.Event, error) {
	p := command.NewProgress(os.Stderr)
	defer p.Done()
	p.Step("reading the logs of the brokers")
	cluster, err := kube.Connect(f.cluster)
	if err != nil {
		return nil, err
	}
	pods, err := cluster.Pods(ctx, "broker")
	if err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, fmt.Errorf("namespace %s has no broker pods: say -n NAMESPACE, or --log-file", f.cluster.Namespace)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var found *explain.Event
	var problems []error
	for _, pod := range pods {
		for _, previous := range []bool{false, true} {
			if previous && (len(pod.Status.ContainerStatuses) == 0 || pod.Status.ContainerStatuses[0].RestartCount == 0) {
				continue
			}
			wg.Go(func() {
				event, err := findInPod(ctx, cluster, kube.PodLog{Pod: pod.Name, Container: "broker", Since: f.since, Previous: previous}, id)
				mu.Lock()
				defer mu.Unlock()
				if event != nil {
					found = event
					cancel() // the others need not read on
				}
				problems = append(problems, err)
			})
		}
	}
	wg.Wait()
	if found != nil {
		return found, nil
	}
	return nil, errors.Join(problems...)
}

func findInPod(ctx context.Context, cluster *kube.Cluster, l kube.PodLog, id string) (*explain.Event, error) {
	log, err := cluster.Log(ctx, l)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	event, err := explain.Find(log, id)
	if event != nil {
		event.Pod = l.Pod
	}
	return event, err
}
