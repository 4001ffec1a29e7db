// SPDX-License-Identifier: Apache-2.0

// Command manager is the operator: it watches OAuthVendors, BYOCCredentials
// and BrokerClients, publishes what the brokers serve, and reports in status.
// This file holds flags and wiring; the work is in package controllers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}
