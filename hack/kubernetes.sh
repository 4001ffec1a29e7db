# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the build.sh of hack/controlplane and of hack/cluster share: they build
# programs of Kubernetes, at the versions that go.mod beside them pins, into the
# user's cache directory. They read this file in their own folder.
set -euo pipefail
name=${PWD##*/}

say() { printf '%s: %s\n' "$name" "$*"; }

# pinned MODULE GO_MOD: the version that it requires.
pinned() { awk -v m="$1" '{ for (i = 1; i < NF; i++) if ($i == m) { print $(i + 1); exit } }' "$2"; }

# built FILE MODULE VERSION: whether the program was made from that version.
built() { go version -m "$1" 2>/dev/null | awk -v m="$2" -v v="$3" '$2 == m && $3 == v { ok = 1 } END { exit !ok }'; }

kubernetes=$(pinned k8s.io/kubernetes go.mod)
out=${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker/$name/$kubernetes
mkdir -p "$out"
work=$(mktemp -d "$out/.build.XXXXXX")
beat=
cleanup() {
	[ -z "$beat" ] || kill "$beat" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# The version that the programs report and that clients compare themselves with.
IFS=. read -r major minor _ <<<"${kubernetes#v}"
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
flags="$flags -X $package.gitCommit=modules -X $package.gitTreeState=clean"

# make_program NAME PACKAGE MODULE VERSION builds what is not there yet.
make_program() {
	if built "$out/$1" "$3" "$4"; then
		return
	fi
	if [ -z "$beat" ]; then
		(while sleep 15 <&- >/dev/null 2>&1; do say "still building, $SECONDS s so far"; done) &
		beat=$!
	fi
	say "building $1 $4 ($SECONDS s so far)"
	CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$work/$1" "$2"
	mv "$work/$1" "$out/$1" # at once: nobody meets half a program
}
