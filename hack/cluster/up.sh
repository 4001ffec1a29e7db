#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Starts a real single-node Kubernetes on this machine: etcd, API server,
# controller manager, scheduler, containerd, kubelet and kube-proxy, with no
# registry and no Docker. It needs Linux, root, and the Debian packages that it
# names when they are missing. What it starts listens on this machine only, and
# down.sh ends it.
#
#   hack/cluster/up.sh
#   export KUBECONFIG=$(hack/cluster/up.sh --kubeconfig)
#
# There is no DNS and no NetworkPolicy here: the bridge CNI plugin enforces none.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
cache=${XDG_CACHE_HOME:-$HOME/.cache}/oauth-broker
run=${CLUSTER_RUN:-$cache/cluster/run}
if [ "${1:-}" = --kubeconfig ]; then
	echo "$run/admin.kubeconfig"
	exit
fi

say() { printf 'cluster: %s\n' "$*"; }
fail() {
	say "$*" >&2
	exit 1
}
[ "$(id -u)" = 0 ] || fail "a node needs root"
missing=()
for need in containerd:containerd runc:runc iptables:iptables conntrack:conntrack socat:socat ip:iproute2 openssl:openssl; do
	command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing+=(containernetworking-plugins)
[ ${#missing[@]} -eq 0 ] || fail "missing: apt-get install --no-install-recommends ${missing[*]}"

../controlplane/build.sh
./build.sh
version=$(awk '/k8s.io\/kubernetes v/ { for (i = 1; i <= NF; i++) if ($i ~ /^v[0-9]/) { print $i; exit } }' go.mod)
plane=${KUBEBUILDER_ASSETS:-$cache/controlplane/$version}
node=$cache/cluster/$version

mkdir -p "$run"/{pki,log,etcd,containerd,kubelet,cni/net.d,cni/bin}
cd "$run"
kubectl() { "$plane/kubectl" --kubeconfig "$run/admin.kubeconfig" "$@"; }
running() { [ -s "$1.pid" ] && kill -0 "$(cat "$1.pid")" 2>/dev/null; }

# start NAME COMMAND...: in a session of its own, so that it outlives this shell.
start() {
	local name=$1
	shift
	running "$name" && return
	setsid nohup "$@" >"log/$name.log" 2>&1 </dev/null &
	echo $! >"$name.pid"
}

# until_ok SECONDS WHAT COMMAND...
until_ok() {
	local limit=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$limit" ] || fail "$what is not there yet; see $run/log"
		sleep 0.5
	done
}

# A CA, and a certificate for everyone who talks to the API server.
if [ ! -f pki/ca.crt ]; then
	openssl req -x509 -newkey rsa:2048 -nodes -keyout pki/ca.key -out pki/ca.crt -subj /CN=cluster-ca -days 3650 2>/dev/null
	certificate() { # NAME SUBJECT NAMES
		openssl req -newkey rsa:2048 -nodes -keyout "pki/$1.key" -out "pki/$1.csr" -subj "$2" 2>/dev/null
		openssl x509 -req -in "pki/$1.csr" -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -out "pki/$1.crt" -days 3650 \
			-extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3") 2>/dev/null
	}
	certificate apiserver /CN=kube-apiserver "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1,IP:10.200.0.1"
	certificate admin /O=system:masters/CN=admin DNS:admin
	certificate controller-manager /CN=system:kube-controller-manager DNS:controller-manager
	certificate scheduler /CN=system:kube-scheduler DNS:scheduler
	certificate kubelet /O=system:nodes/CN=system:node:node1 "DNS:node1,IP:127.0.0.1,IP:10.200.0.1"
	certificate proxy /CN=system:kube-proxy DNS:proxy
	openssl genrsa -out pki/sa.key 2048 2>/dev/null
	openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2>/dev/null
fi
for who in admin controller-manager scheduler kubelet proxy; do
	cat >"$who.kubeconfig" <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $run/pki/ca.crt}}]
		users: [{name: u, user: {client-certificate: $run/pki/$who.crt, client-key: $run/pki/$who.key}}]
		contexts: [{name: c, context: {cluster: c, user: u}}]
		current-context: c
	END
	chmod 600 "$who.kubeconfig"
done

say "starting the control plane ($version)"
ip addr add 10.200.0.1/32 dev lo 2>/dev/null || true # the node's address
# Nothing leaves this machine: an address of a Service that kube-proxy does not
# know yet would take the default route, and so would what pods send elsewhere.
# Rules of the filter table see addresses after kube-proxy's translation.
for rule in "OUTPUT -d 10.96.0.0/16" "FORWARD -s 10.244.0.0/16 ! -d 10.244.0.0/16"; do
	# shellcheck disable=SC2086 # words
	iptables -C $rule -m comment --comment oauth-broker-cluster -j REJECT 2>/dev/null ||
		iptables -I $rule -m comment --comment oauth-broker-cluster -j REJECT
done
start etcd "$plane/etcd" --data-dir "$run/etcd" --unsafe-no-fsync \
	--listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \
	--listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster default=http://127.0.0.1:12380
cat >apiserver.sh <<-END
	exec "$plane/kube-apiserver" --etcd-servers=http://127.0.0.1:12379 --advertise-address=10.200.0.1 --bind-address=0.0.0.0 --secure-port=6443 \
	--tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key --client-ca-file=pki/ca.crt \
	--service-account-key-file=pki/sa.pub --service-account-signing-key-file=pki/sa.key --service-account-issuer=https://kubernetes.default.svc \
	--service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
	--kubelet-preferred-address-types=InternalIP --kubelet-client-certificate=pki/admin.crt --kubelet-client-key=pki/admin.key
END
start apiserver bash apiserver.sh
until_ok 120 "the API server" kubectl get --raw /readyz
start controller-manager "$node/kube-controller-manager" --kubeconfig=controller-manager.kubeconfig --bind-address=127.0.0.1 \
	--service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt --cluster-signing-cert-file=pki/ca.crt --cluster-signing-key-file=pki/ca.key \
	--use-service-account-credentials --cluster-cidr=10.244.0.0/16 --allocate-node-cidrs=false --leader-elect=false
start scheduler "$node/kube-scheduler" --kubeconfig=scheduler.kubeconfig --bind-address=127.0.0.1 --leader-elect=false

say "starting the node"
for from in /usr/lib/cni /opt/cni/bin; do
	[ ! -d "$from" ] || cp -n "$from"/* cni/bin/ 2>/dev/null || true
done
cat >cni/net.d/10-bridge.conflist <<'END'
{"cniVersion":"0.4.0","name":"pods","plugins":[
  {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,
   "ipam":{"type":"host-local","ranges":[[{"subnet":"10.244.0.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
  {"type":"portmap","capabilities":{"portMappings":true}}]}
END
# native: overlayfs is not to be had in every sandbox; restrict_oom_score_adj:
# without the right to lower it no sandbox starts.
cat >containerd.toml <<END
version = 2
root = "$run/containerd/root"
state = "$run/containerd/state"
[grpc]
address = "$run/containerd/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "oauthbroker.test/pause:1"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$run/cni/bin"
conf_dir = "$run/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
END
start containerd containerd -c containerd.toml
until_ok 30 containerd ctr -a containerd/c.sock version
if [ -z "$(ctr -a containerd/c.sock -n k8s.io images ls -q name==oauthbroker.test/pause:1)" ]; then
	(cd "$here/../image" && go run . --root ../cluster --packages ./pause --platforms "linux/$(go env GOARCH)" --tag oauthbroker.test/pause:1 --title pause --out "$run/pause" >/dev/null)
	"$here/load.sh" "$run"/pause/*.tar
fi
# failCgroupV1: a node with version 1 is good enough for a test. No image is
# collected however full the disk is: there is no registry to pull it from again.
# Pods are evicted late: a hundredth of a large disk is much more than they need.
cat >kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/pki/ca.crt}}
authorization: {mode: Webhook}
address: 10.200.0.1
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false
containerRuntimeEndpoint: unix://$run/containerd/c.sock
tlsCertFile: $run/pki/kubelet.crt
tlsPrivateKeyFile: $run/pki/kubelet.key
resolvConf: /etc/resolv.conf
evictionHard: {nodefs.available: "64Mi", imagefs.available: "64Mi"}
imageGCHighThresholdPercent: 100
enforceNodeAllocatable: []
END
start kubelet "$node/kubelet" --kubeconfig=kubelet.kubeconfig --config=kubelet.yaml --root-dir="$run/kubelet" --hostname-override=node1 --node-ip=10.200.0.1
start proxy "$node/kube-proxy" --kubeconfig=proxy.kubeconfig --hostname-override=node1 --cluster-cidr=10.244.0.0/16 --proxy-mode=iptables --bind-address=127.0.0.1
until_ok 120 "the node" kubectl wait --for=condition=Ready node/node1 --timeout=5s
say "ready: export KUBECONFIG=$run/admin.kubeconfig"
