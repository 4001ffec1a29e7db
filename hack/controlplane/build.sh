#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds kube-apiserver, kubectl and etcd, at the versions that go.mod beside
# this script pins, into the user's cache directory. `make run` and the suites in
# test/integration start them. What is there already is not built again; the
# first time takes about 5 minutes on 2 cores.
#
# KUBEBUILDER_ASSETS, where it is set, names a directory that has them.
set -euo pipefail
cd "$(dirname "$0")"
start=$SECONDS

say() { printf 'controlplane: %s\n' "$*"; }

# pinned MODULE: the version that go.mod requires.
pinned() { awk -v module="$1" '$1 == module && $2 ~ /^v/ { print $2; exit }' go.mod; }

# built FILE MODULE VERSION: whether the binary was made from that version.
built() { go version -m "$1" 2>/dev/null | awk -v m="$2" -v v="$3" '$2 == m && $3 == v { ok = 1 } END { exit !ok }'; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
	for name in kube-apiserver etcd kubectl; do
		if [ ! -x "$KUBEBUILDER_ASSETS/$name" ]; then
			say "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, and $name is not there: unset it to build, or correct it" >&2
			exit 1
		fi
	done
	say "using KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS"
	exit 0
fi

kubernetes=$(pinned k8s.io/kubernetes)
etcd=$(pinned go.etcd.io/etcd/server/v3)
out=${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker/controlplane/$kubernetes
mkdir -p "$out"
work=$(mktemp -d "$out/.build.XXXXXX")
beat=
cleanup() {
	[ -z "$beat" ] || kill "$beat" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# The version that the binaries report and that clients compare themselves with.
IFS=. read -r major minor _ <<<"${kubernetes#v}"
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
flags="$flags -X $package.gitCommit=modules -X $package.gitTreeState=clean"

# make_binary NAME PACKAGE MODULE VERSION
make_binary() {
	if built "$out/$1" "$3" "$4"; then
		return
	fi
	say "building $1 $4 ($((SECONDS - start)) s so far)"
	CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$work/$1" "$2"
	mv "$work/$1" "$out/$1" # at once: nobody meets half a binary
}

(while sleep 15 <&- >/dev/null 2>&1; do say "still building, $((SECONDS - start)) s so far"; done) &
beat=$!
make_binary etcd go.etcd.io/etcd/server/v3 go.etcd.io/etcd/server/v3 "$etcd"
make_binary kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes "$kubernetes"
make_binary kubectl k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes "$kubernetes"
say "kube-apiserver and kubectl $kubernetes and etcd $etcd are in $out"
