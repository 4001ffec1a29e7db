// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/oauthbroker/oauth-broker/internal/keyring"
	"github.com/oauthbroker/oauth-broker/internal/kms"
)

func (k *keys) newRevoke() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke [FILE] ID...",
		Short: "Remove keys at once, with all that they sealed",
		Long: `Remove keys at once, with all that they sealed.

A flow key: logins in progress under it fail, and people start again.
A grant key: refresh tokens and self-registered clients under it end. People sign in
again, such clients register again, and remembered consents are asked again.

Where a list has no key left, a new one is made, which seals at once. Whoever has the
ring has every key in it: if the file or Secret leaked, revoke all keys.`,
		RunE: func(c *cobra.Command, args []string) error {
			return k.apply(c, args, func(r keyring.Ring, out *bytes.Buffer) (keyring.Ring, error) {
				before := r.IDs()
				r, gone, err := r.Revoke(k.others(args), k.now())
				if err != nil {
					return r, err
				}
				for _, s := range gone {
					fmt.Fprintf(out, "revoked %s of %s (%s): %s\n", s.ID, s.List, s.State, effect(s))
				}
				for _, s := range r.Status(k.now()) {
					if !slices.Contains(before, s.ID) {
						fmt.Fprintf(out, "added %s to %s, which seals at once: no other key is left\n", s.ID, s.List)
					}
				}
				k.sayWhen(out)
				return r, nil
			})
		},
	}
	k.takesRing(c, cobra.MinimumNArgs(1))
	return c
}

// effect is what the revocation of a key ends.
func effect(s keyring.Status) string {
	switch {
	case s.State == keyring.Waiting || s.State == keyring.Expired:
		return "nothing that is still good was sealed with it"
	case s.List == keyring.Flow:
		return "logins in progress under it fail, and people start again"
	}
	return "refresh tokens and self-registered clients under it end: people sign in again, such clients register again"
}

// sayWhen tells when brokers have the ring.
func (k *keys) sayWhen(out *bytes.Buffer) {
	if k.secret == "" {
		fmt.Fprintln(out, "brokers that read this file follow within seconds")
		return
	}
	fmt.Fprintln(out, "brokers follow within 90 seconds, and until all have, logins that meet both rings fail; at once: kubectl rollout restart of the brokers' Deployment")
}

func (k *keys) newWrap() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "wrap [FILE] --" + kms.Flag + " URL",
		Short: "Wrap a ring that is in the clear, or wrap it by another KMS key",
		RunE: func(c *cobra.Command, args []string) error {
			if k.kmsURL == "" {
				return errors.New("--" + kms.Flag + " is required: it names the key that wraps")
			}
			to, err := k.codec()
			if err != nil {
				return err
			}
			old, err := kms.Codec(from)
			if err != nil {
				return fmt.Errorf("--from-kms-url: %w", err)
			}
			return k.recode(c, args, recoding{from: old, to: to, do: saying("wrapped; brokers and operator need --" + kms.Flag + " from now on")})
		},
	}
	k.takesRing(c, cobra.NoArgs)
	c.Flags().StringVar(&from, "from-kms-url", "", "what wraps the ring now; none means that it is in the clear")
	return c
}

func (k *keys) newUnwrap() *cobra.Command {
	c := &cobra.Command{
		Use:   "unwrap [FILE] --" + kms.Flag + " URL",
		Short: "Put a wrapped ring in the clear",
		RunE: func(c *cobra.Command, args []string) error {
			if k.kmsURL == "" {
				return errors.New("--" + kms.Flag + " is required: it names the key that wraps")
			}
			from, err := k.codec()
			if err != nil {
				return err
			}
			return k.recode(c, args, recoding{from: from, do: saying("in the clear; brokers and operator must not have --" + kms.Flag + " any more")})
		},
	}
	k.takesRing(c, cobra.NoArgs)
	return c
}

// saying is the change that changes no key.
func saying(text string) change {
	return func(r keyring.Ring, out *bytes.Buffer) (keyring.Ring, error) {
		_, err := fmt.Fprintln(out, text)
		return r, err
	}
}
