// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/kms"
)

// leastDelayInCluster is how long a new key of a Secret waits at least: kubelets
// take up to 90 seconds to renew the files of a mounted Secret.
const leastDelayInCluster = 3 * time.Minute

// keys are the flags that all commands of `broker keys` have.
type keys struct {
	secret     string
	kubeconfig string
	kmsURL     string
	now        func() time.Time
}

func newKeys() *cobra.Command {
	k := &keys{now: time.Now}
	c := group(&cobra.Command{
		Use:   "keys",
		Short: "Make, list, rotate, prune, revoke and wrap the sealing keys",
		Long: `Make, list, rotate, prune, revoke and wrap the sealing keys, in a file or, with
--secret, in the cluster.

A ring has two lists: flow seals what lives for minutes (logins, codes), grant what
lives for months (refresh tokens, clients that registered themselves). Every key opens,
and one of each list seals. Brokers read a changed ring by themselves.`,
	}, k.newNew(), k.newList(), k.newAdd(), k.newRotate(), k.newPrune(), k.newRevoke(), k.newWrap(), k.newUnwrap())
	f := c.PersistentFlags()
	f.StringVar(&k.secret, "secret", "", "NAMESPACE/NAME of the Secret that holds the ring, in place of FILE")
	f.StringVar(&k.kubeconfig, "kubeconfig", "", "with --secret: kubeconfig file; none means $KUBECONFIG, ~/.kube/config, or the pod's own")
	f.StringVar(&k.kmsURL, kms.Flag, "", kms.Usage)
	return c
}

// change makes another ring of one and tells what it did. It may run more than
// once, where another was quicker.
type change func(r keyring.Ring, out *bytes.Buffer) (keyring.Ring, error)

// errUnchanged says that there is nothing to write.
var errUnchanged = errors.New("unchanged")

// takesRing makes c take the ring as its first argument, or by --secret, and
// then as many others as check wants.
func (k *keys) takesRing(c *cobra.Command, check cobra.PositionalArgs) {
	c.Args = arguments(func(c *cobra.Command, args []string) error {
		if k.secret == "" && len(args) == 0 {
			return errors.New("name the FILE of the ring, or its Secret with --secret NAMESPACE/NAME")
		}
		return check(c, k.others(args))
	})
}

// others are the arguments after FILE.
func (k *keys) others(args []string) []string {
	if k.secret == "" {
		return args[1:]
	}
	return args
}

// apply changes the ring of a command, and prints what was done once it is.
func (k *keys) apply(c *cobra.Command, args []string, do change) error {
	codec, err := k.codec()
	if err != nil {
		return err
	}
	return k.recode(c, args, recoding{from: codec, to: codec, do: do})
}

// recoding reads a ring with one codec and writes it with another.
type recoding struct {
	from, to keyring.Codec
	do       change
}

func (k *keys) recode(c *cobra.Command, args []string, r recoding) error {
	where, err := k.store(args)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	err = where.update(c.Context(), func(ctx context.Context, b []byte) ([]byte, error) {
		said.Reset()
		ring, err := r.from.Decode(ctx, b)
		if err != nil {
			return nil, err
		}
		if ring, err = r.do(ring, &said); err != nil {
			return nil, err
		}
		return r.to.Encode(ctx, ring)
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return err
	}
	_, err = said.WriteTo(c.OutOrStdout())
	return err
}

func (k *keys) codec() (keyring.Codec, error) {
	codec, err := kms.Codec(k.kmsURL)
	if err != nil {
		return codec, fmt.Errorf("--%s: %w", kms.Flag, err)
	}
	return codec, nil
}

func (k *keys) newNew() *cobra.Command {
	return &cobra.Command{
		Use:   "new FILE",
		Short: "Write a new key ring to FILE, which must not exist",
		Args:  arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if k.secret != "" {
				return errors.New("--secret does not go with new: the operator makes the ring where there is none")
			}
			codec, err := k.codec()
			if err != nil {
				return err
			}
			b, err := codec.Encode(c.Context(), keyring.New(k.now()))
			if err != nil {
				return err
			}
			return writeNew(args[0], b)
		},
	}
}

func (k *keys) newList() *cobra.Command {
	c := &cobra.Command{
		Use:   "list [FILE]",
		Short: "List the keys, what each does, and until when it is needed",
		RunE: func(c *cobra.Command, args []string) error {
			where, err := k.store(args)
			if err != nil {
				return err
			}
			b, err := where.read(c.Context())
			if err != nil {
				return err
			}
			ring, err := keyring.ParseOutline(b) // needs no KMS
			if err != nil {
				return err
			}
			rows := bytes.NewBufferString("RING\tID\tSTATE\tSEALS FROM\tNEEDED UNTIL\n")
			for _, s := range ring.Status(k.now()) {
				fmt.Fprintf(rows, "%s\t%s\t%s\t%s\t%s\n", s.List, s.ID, s.State, stamp(s.SealFrom), stamp(s.Until))
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 3, ' ', 0)
			_, err = rows.WriteTo(w)
			return errors.Join(err, w.Flush())
		},
	}
	k.takesRing(c, cobra.NoArgs)
	return c
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func (k *keys) newAdd() *cobra.Command {
	var list string
	var delay time.Duration
	c := &cobra.Command{
		Use:   "add [FILE] --ring flow|grant",
		Short: "Add a key to one list, which opens at once and seals from some minutes later on",
		RunE: func(c *cobra.Command, args []string) error {
			l := keyring.List(list)
			if !slices.Contains(keyring.Lists(), l) {
				return errors.New("--ring must be flow or grant")
			}
			if err := k.checkDelay(delay); err != nil {
				return err
			}
			return k.apply(c, args, func(r keyring.Ring, out *bytes.Buffer) (keyring.Ring, error) {
				r, key, err := r.Add(l, k.now(), delay)
				sayAdded(out, l, key)
				return r, err
			})
		},
	}
	k.takesRing(c, cobra.NoArgs)
	c.Flags().StringVar(&list, "ring", "", "the list: flow or grant (required)")
	delayFlag(c, &delay)
	return c
}

func delayFlag(c *cobra.Command, delay *time.Duration) {
	c.Flags().DurationVar(delay, "seal-in", keyring.DefaultDelay, "how long a new key waits before it seals: every broker must have it by then")
}

func (k *keys) checkDelay(delay time.Duration) error {
	switch {
	case delay < 0:
		return errors.New("--seal-in must not be negative")
	case k.secret != "" && delay < leastDelayInCluster:
		return fmt.Errorf("--seal-in must be at least %s in a cluster: kubelets take up to 90 seconds to renew a mounted Secret", leastDelayInCluster)
	}
	return nil
}

func sayAdded(out *bytes.Buffer, l keyring.List, key keyring.Key) {
	fmt.Fprintf(out, "added %s to %s; it seals from %s on\n", key.ID, l, stamp(key.SealFrom))
}

func (k *keys) newRotate() *cobra.Command {
	var delay time.Duration
	c := &cobra.Command{
		Use:   "rotate [FILE]",
		Short: "Add a key to each list and prune: the one command for a timer",
		Long: `Add a key to each list and prune the keys that are not needed any more. A list in
which a new key waits already gets no other, so running it again does no harm.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := k.checkDelay(delay); err != nil {
				return err
			}
			return k.apply(c, args, func(r keyring.Ring, out *bytes.Buffer) (keyring.Ring, error) {
				r, gone := r.Prune(k.now())
				r, added := r.Rotate(k.now(), delay)
				if len(added)+len(gone) == 0 {
					fmt.Fprintln(out, "nothing to do: a new key waits in each list already")
					return r, errUnchanged
				}
				for _, l := range keyring.Lists() {
					if key, ok := added[l]; ok {
						sayAdded(out, l, key)
					}
				}
				sayPruned(out, gone)
				return r, nil
			})
		},
	}
	k.takesRing(c, cobra.NoArgs)
	delayFlag(c, &delay)
	return c
}

func sayPruned(out *bytes.Buffer, gone []keyring.Status) {
	for _, s := range gone {
		fmt.Fprintf(out, "pruned %s of %s: all that it sealed expired by %s\n", s.ID, s.List, stamp(s.Until))
	}
}

func (k *keys) newPrune() *cobra.Command {
	c := &cobra.Command{
		Use:   "prune [FILE] [ID...]",
		Short: "Remove keys that are not needed any more: all of them, or the named ones",
		RunE: func(c *cobra.Command, args []string) error {
			return k.apply(c, args, func(r keyring.Ring, out *bytes.Buffer) (keyring.Ring, error) {
				if err := prunable(r, k.others(args), k.now()); err != nil {
					return r, err
				}
				pruned, gone := r.Prune(k.now())
				sayPruned(out, gone)
				for _, s := range pruned.Status(k.now()) {
					if s.State == keyring.Opening {
						fmt.Fprintf(out, "kept %s of %s: what it sealed is good until %s\n", s.ID, s.List, stamp(s.Until))
					}
				}
				if len(gone) == 0 {
					fmt.Fprintln(out, "nothing to prune")
					return r, errUnchanged
				}
				return pruned, nil
			})
		},
	}
	k.takesRing(c, cobra.ArbitraryArgs)
	return c
}

// prunable refuses to prune a key by name that is still needed.
func prunable(r keyring.Ring, ids []string, now time.Time) error {
	for _, id := range ids {
		all := r.Status(now)
		i := slices.IndexFunc(all, func(s keyring.Status) bool { return s.ID == id })
		if i < 0 {
			return fmt.Errorf("there is no key %q in the ring; it has %s", id, strings.Join(r.IDs(), ", "))
		}
		switch s := all[i]; s.State {
		case keyring.Expired:
		case keyring.Opening:
			return fmt.Errorf("%s of %s is needed until %s: what it sealed is good until then; to end that at once: broker keys revoke", s.ID, s.List, stamp(s.Until))
		case keyring.Sealing, keyring.Waiting:
			return fmt.Errorf("%s of %s is %s, and needed; to remove it all the same: broker keys revoke", s.ID, s.List, s.State)
		}
	}
	return nil
}
