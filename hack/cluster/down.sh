#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Ends what up.sh started, by the process ids that it wrote, and removes the
# cluster's state. Built programs stay in the cache.
set -uo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker
run=${CLUSTER_RUN:-$cache/cluster/run}
[ -d "$run" ] || exit 0
cd "$run" || exit 1

say() { printf 'cluster: %s\n' "$*"; }
# stop NAME: SIGTERM, and SIGKILL after ten seconds.
stop() {
	local pid
	pid=$(cat "$1.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || { rm -f "$1.pid"; return 0; }
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || true
	rm -f "$1.pid"
}
stop kubelet
ctr() { command ctr -a "$run/containerd/c.sock" -n k8s.io "$@"; }
if [ -S containerd/c.sock ]; then
	for task in $(ctr tasks ls -q 2>/dev/null); do ctr tasks kill -s SIGKILL "$task" >/dev/null 2>&1; done
	for _ in $(seq 50); do
		[ -n "$(ctr tasks ls 2>/dev/null | awk 'NR > 1 && $3 == "RUNNING"')" ] || break
		sleep 0.1
	done
	for container in $(ctr containers ls -q 2>/dev/null); do
		ctr tasks delete -f "$container" >/dev/null 2>&1
		ctr containers delete "$container" >/dev/null 2>&1
	done
fi
for name in proxy scheduler controller-manager apiserver containerd etcd; do stop "$name"; done
for proxy in "$cache"/cluster/*/kube-proxy; do
	"$proxy" --cleanup >/dev/null 2>&1 && break
done
iptables -D OUTPUT -d 10.96.0.0/16 -m comment --comment oauth-broker-cluster -j REJECT 2>/dev/null
iptables -D FORWARD -s 10.244.0.0/16 ! -d 10.244.0.0/16 -m comment --comment oauth-broker-cluster -j REJECT 2>/dev/null
awk -v run="$run/" 'index($2, run) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do umount -l "$mount"; done
for netns in $(ip netns list 2>/dev/null | awk '/^cni-/ { print $1 }'); do ip netns delete "$netns"; done
ip link delete cni0 2>/dev/null || true
ip addr del 10.200.0.1/32 dev lo 2>/dev/null || true
rm -rf /var/lib/cni/networks/pods "$run"
say "stopped"
