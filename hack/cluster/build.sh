#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds what a node needs besides hack/controlplane: kubelet, kube-proxy,
# kube-scheduler and kube-controller-manager, at the version that go.mod beside
# this script pins, into the user's cache directory. About 6 minutes on 2 cores
# the first time; what is there already is not built again.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf 'cluster: %s\n' "$*"; }
pinned() { awk '/k8s.io\/kubernetes v/ { for (i = 1; i <= NF; i++) if ($i ~ /^v[0-9]/) { print $i; exit } }' "$1"; }

version=$(pinned go.mod)
if [ "$version" != "$(pinned ../controlplane/go.mod)" ]; then
	say "hack/cluster/go.mod and hack/controlplane/go.mod pin different versions of Kubernetes: make them agree" >&2
	exit 1
fi
out=${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker/cluster/$version
mkdir -p "$out"
work=$(mktemp -d "$out/.build.XXXXXX")
beat=
cleanup() {
	[ -z "$beat" ] || kill "$beat" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

IFS=. read -r major minor _ <<<"${version#v}"
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
flags="$flags -X $package.gitCommit=modules -X $package.gitTreeState=clean"
for name in kube-controller-manager kube-scheduler kube-proxy kubelet; do
	[ -x "$out/$name" ] && continue
	if [ -z "$beat" ]; then
		(while sleep 15 <&- >/dev/null 2>&1; do say "still building, $SECONDS s so far"; done) &
		beat=$!
	fi
	say "building $name $version ($SECONDS s so far)"
	CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$work/$name" "k8s.io/kubernetes/cmd/$name"
	mv "$work/$name" "$out/$name" # at once: nobody meets half a binary
done
say "the node's programs are in $out"
