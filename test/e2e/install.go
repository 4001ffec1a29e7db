// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/oauthbroker/oauth-broker/test/authority"
)

const (
	release   = "oauth-broker"
	namespace = "oauth-broker-system"
	published = "oauth-broker-published"
	host      = "broker.e2e.test"
	publicURL = "https://" + host
	// vendorIP is a fixed address, since the cluster of hack/cluster has no DNS.
	vendorIP = "10.96.100.10"
)

func indent(n int, text string) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad) + "\n"
}

// prepare makes everything that an install expects, and the vendor. Pod Security
// "restricted" is enforced in the product's namespace, and in the vendor's too.
func (s *suite) prepare(ctx context.Context) error {
	var err error
	if s.trust, err = authority.New(); err != nil {
		return err
	}
	var manifests []string
	for _, name := range []string{namespace, "vendor"} {
		manifests = append(manifests, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {pod-security.kubernetes.io/enforce: restricted}}\n", name))
	}
	for _, name := range []string{"acme", "globex"} {
		manifests = append(manifests, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name))
	}
	for _, c := range []struct{ namespace, name, host string }{{namespace, release + "-tls", host}, {"vendor", "vendor-tls", vendorIP}} {
		secret, err := s.tlsSecret(c.namespace, c.name, c.host)
		if err != nil {
			return err
		}
		manifests = append(manifests, secret)
	}
	manifests = append(manifests, fmt.Sprintf(vendorManifest, vendorIP, publicURL, publicURL, s.vendorImage))
	if _, err := s.kube(ctx, strings.Join(manifests, "---\n"), "apply", "-f", "-"); err != nil {
		return err
	}
	_, err = s.kube(ctx, "", "-n", "vendor", "rollout", "status", "deployment/vendor", "--timeout=120s")
	s.line("namespaces %s and vendor enforce Pod Security \"restricted\"", namespace)
	s.line("vendor: https://%s in a pod", vendorIP)
	return err
}

const vendorManifest = `apiVersion: apps/v1
kind: Deployment
metadata: {name: vendor, namespace: vendor}
spec:
  selector: {matchLabels: {app: vendor}}
  template:
    metadata: {labels: {app: vendor}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: vendor
          args: ["--base=https://%s", "--redirect-uris=%s/v1/callback,%s/v1/callback/e2e", "--apps=platform-app,globex-app"]
          image: %s
          imagePullPolicy: IfNotPresent
          ports: [{containerPort: 8443}]
          readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: tls, mountPath: /tls, readOnly: true}]
      volumes: [{name: tls, secret: {secretName: vendor-tls, defaultMode: 0440}}]
---
apiVersion: v1
kind: Service
metadata: {name: vendor, namespace: vendor}
spec:
  clusterIP: ` + vendorIP + `
  selector: {app: vendor}
  ports: [{port: 443, targetPort: 8443}]
`

// values of every install here; tag is that of the product's image.
func (s *suite) values(tag string) []string {
	values := []string{
		"--namespace", namespace, "--set", "publicURL=" + publicURL + ",broker.replicas=3,image.tag=" + tag,
		"--set", "broker.shutdownDelaySeconds=5,broker.resources.requests.cpu=10m,manager.resources.requests.cpu=10m", "--wait", "--timeout", "3m",
	}
	if tag == s.image { // all users here are one address, and the version before knows no limits
		values = append(values, "--set", "broker.limits.addressRate=0,broker.limits.clientRate=0")
	}
	return values
}

func (s *suite) findService(ctx context.Context) error {
	ip, err := s.kube(ctx, "", "-n", namespace, "get", "service", release, "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return err
	}
	s.service = ip + ":443"
	pods, err := s.kube(ctx, "", "-n", namespace, "get", "pods", "--no-headers")
	s.line("%s", strings.ReplaceAll(strings.TrimSpace(pods), "\n", "\n    "))
	return errors.Join(err, reachable(ctx, s.service, 20*time.Second))
}

// reachable waits until the node knows the address of a Service that is new:
// kube-proxy takes a moment. No load runs meanwhile, so no failure is hidden.
func reachable(ctx context.Context, service string, limit time.Duration) error {
	return until(ctx, limit, 50*time.Millisecond, func() error {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", service)
		if err != nil {
			return fmt.Errorf("the Service is not reachable: %w", err)
		}
		return connection.Close()
	})
}

// applyObjects configures a vendor with a shared app, a tenant that uses it and
// one that brings its own.
func (s *suite) applyObjects(ctx context.Context) error {
	if _, err := s.kube(ctx, s.vendor("")+objects, "apply", "-f", "-"); err != nil {
		return err
	}
	if err := s.tenantRoles(ctx); err != nil {
		return err
	}
	for _, kind := range []string{"oauthvendors", "byoccredentials", "brokerclients"} {
		out, err := s.kube(ctx, "", "wait", "--for=condition=Programmed", kind, "--all", "--all-namespaces", "--timeout=60s")
		s.line("%s", strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n    "))
		if err != nil {
			return err
		}
	}
	err := s.helm(ctx, "upgrade", "--install", "oauth-broker-vendors", filepath.Join(s.tools.Root, "charts", "oauth-broker-vendors"), "--namespace", namespace,
		"--set", "vendors.github.enabled=true,vendors.ramp.enabled=true,vendors.github.allowedNamespaces.from=Names,vendors.github.allowedNamespaces.names={acme}")
	if err != nil {
		return err
	}
	out, err := s.kube(ctx, "", "wait", "--for=condition=Accepted", "oauthvendor/github", "oauthvendor/ramp", "--timeout=30s")
	s.line("%s", strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n    "))
	return err
}

// tenantRoles: with the sample of tenants' roles, who may edit a namespace may
// bring credentials there, and no vendor. It takes the cluster a moment to add the
// rules to its own roles.
func (s *suite) tenantRoles(ctx context.Context) error {
	if _, err := s.kube(ctx, "", "apply", "-f", filepath.Join(s.tools.Root, "config", "samples", "tenant-roles.yaml")); err != nil {
		return err
	}
	if _, err := s.kube(ctx, "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: tenant, namespace: globex}\n"+
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}\nsubjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant}]\n", "apply", "-f", "-"); err != nil {
		return err
	}
	may := func(words ...string) bool {
		_, err := s.kube(ctx, "", append([]string{"auth", "can-i", "--as=tenant", "--as-group=system:authenticated"}, words...)...)
		return err == nil
	}
	if err := until(ctx, 20*time.Second, 100*time.Millisecond, func() error {
		if !may("create", "byoccredentials", "--namespace=globex") {
			return errors.New("who may edit a namespace may not bring credentials")
		}
		return nil
	}); err != nil {
		return err
	}
	switch {
	case !may("patch", "brokerclients", "--namespace=globex"), !may("get", "brokerclients", "--namespace=globex"), !may("list", "oauthvendors"):
		return errors.New("a tenant may not do its work")
	case may("get", "byoccredentials", "--namespace=acme"), may("patch", "oauthvendors"), may("patch", "byoccredentials", "--subresource=status", "--namespace=globex"):
		return errors.New("a tenant may do more than its work")
	}
	s.line("a tenant may bring credentials and clients in its own namespace, and write no vendor")
	return nil
}

// vendor is the OAuthVendor; scope is one more that it allows.
func (s *suite) vendor(scope string) string {
	if scope != "" {
		scope = ", " + scope
	}
	return fmt.Sprintf(`apiVersion: oauthbroker.dev/v1alpha1
kind: OAuthVendor
metadata: {name: e2e}
spec:
  issuer: https://%s
  discovery: {type: OpenIDConnect}
  callback: {path: Vendor}
  scopes: {default: [openid], allowed: [openid, profile%s]}
  identity: {idToken: Required}
  credentials: {secretRef: {name: e2e-app}, allowedNamespaces: {from: Names, names: [acme]}}
  trustedNamespaces: {from: Names, names: [acme, globex]}
  transport:
    caBundle: |
%s`, vendorIP, scope, indent(6, string(s.trust.PEM())))
}

const objects = `---
apiVersion: v1
kind: Secret
metadata: {name: e2e-app, namespace: ` + namespace + `}
stringData: {clientID: platform-app, clientSecret: platform-app-secret}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: cli, namespace: acme}
spec:
  applicationType: Native
  redirectURIs: ["http://127.0.0.1/callback"]
  authentication: {method: None}
  vendors: [{name: e2e}]
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BrokerClient
metadata: {name: web, namespace: globex}
spec:
  redirectURIs: ["https://app.globex.example/callback"]
  authentication: {method: ClientSecret, secretRef: {name: web-client}}
  vendors: [{name: e2e}]
---
apiVersion: v1
kind: Secret
metadata: {name: web-client, namespace: globex}
stringData: {clientSecret: ` + webSecret + `}
---
apiVersion: oauthbroker.dev/v1alpha1
kind: BYOCCredential
metadata: {name: e2e, namespace: globex}
spec: {vendor: e2e, secretRef: {name: e2e-app}}
---
apiVersion: v1
kind: Secret
metadata: {name: e2e-app, namespace: globex}
stringData: {clientID: globex-app, clientSecret: globex-app-secret}
`

// upgrade to this version of the chart, and rollback, while users log in.
func (s *suite) upgrade(ctx context.Context) error {
	return s.under(ctx, "upgrade", func(ctx context.Context) error {
		return s.helm(ctx, append([]string{"upgrade", release, s.chart(), "--set", "broker.logLevel=warn"}, s.values(s.image)...)...)
	})
}

func (s *suite) rollback(ctx context.Context) error {
	err := s.under(ctx, "rollback", func(ctx context.Context) error {
		return s.helm(ctx, "rollback", release, "1", "--namespace", namespace, "--wait", "--timeout", "3m")
	})
	return errors.Join(err, s.refreshOld(ctx))
}

// olderChart upgrades to a chart that is older than the CRDs, which stay.
func (s *suite) olderChart(ctx context.Context) error {
	crds := []string{"get", "crd", "oauthvendors.oauthbroker.dev", "-o", `jsonpath={.metadata.annotations.oauthbroker\.dev/crd-version}`}
	before, err := s.kube(ctx, "", crds...)
	if err != nil {
		return err
	}
	if err := s.helm(ctx, append([]string{"upgrade", release, s.previousChart()}, s.values(s.previousImage)...)...); err != nil {
		return err
	}
	after, err := s.kube(ctx, "", crds...)
	if err != nil {
		return err
	}
	if before == previousVersion || after != before {
		return fmt.Errorf("the CRDs were of chart %s and are of %s", before, after)
	}
	s.line("an older chart left the CRDs of %s alone", after)
	return nil
}

// kept is what an uninstall must leave.
func (s *suite) kept(ctx context.Context) (string, error) {
	var all strings.Builder
	for _, args := range [][]string{
		{"-n", namespace, "get", "secret", release + "-keyring", "-o", "jsonpath={.metadata.uid}"},
		{"get", "oauthvendors,byoccredentials,brokerclients", "-A", "-o", "jsonpath={range .items[*]}{.kind}/{.metadata.name}/{.metadata.uid} {end}"},
		{"get", "crd", "oauthvendors.oauthbroker.dev", "byoccredentials.oauthbroker.dev", "brokerclients.oauthbroker.dev", "-o", "jsonpath={.items[*].metadata.uid}"},
		{"get", "namespace", published, "-o", "jsonpath={.metadata.uid}"},
	} {
		out, err := s.kube(ctx, "", args...)
		if err != nil {
			return "", err
		}
		all.WriteString(out + "\n")
	}
	return all.String(), nil
}

// uninstall removes the release and shows that nothing of value went.
func (s *suite) uninstall(ctx context.Context) error {
	before, err := s.kept(ctx)
	if err != nil {
		return err
	}
	if err := s.helm(ctx, "uninstall", release, "--namespace", namespace, "--wait"); err != nil {
		return err
	}
	after, err := s.kept(ctx)
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("the uninstall changed what it should keep:\n%s\n%s", before, after)
	}
	s.line("kept with their UIDs: key ring Secret, 3 CRDs, %d objects, namespace %s", strings.Count(after, "/")/2, published)
	return nil
}

func (s *suite) reinstall(ctx context.Context) error {
	if err := s.uninstall(ctx); err != nil {
		return err
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	if err := errors.Join(s.refreshOld(ctx), s.logins(ctx), s.helmTest(ctx)); err != nil {
		return err
	}
	return errors.Join(s.olderChart(ctx), s.narrow(ctx))
}

func (s *suite) chart() string { return filepath.Join(s.tools.Root, "charts", "oauth-broker") }

// install installs this version.
func (s *suite) install(ctx context.Context) error {
	if err := s.helm(ctx, append([]string{"install", release, s.chart()}, s.values(s.image)...)...); err != nil {
		return err
	}
	return s.findService(ctx)
}

// narrow turns on namespaced mode, and trusts the vendor's CA by the chart's value
// instead of by the vendor's object.
func (s *suite) narrow(ctx context.Context) error {
	ca := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: company-ca, namespace: " + namespace + "}\ndata:\n  ca.crt: |\n" + indent(4, string(s.trust.PEM()))
	if _, err := s.kube(ctx, ca, "apply", "-f", "-"); err != nil {
		return err
	}
	if err := s.helm(ctx, append([]string{"upgrade", release, s.chart(), "--set", "extraCACertificates=company-ca,watchNamespaces={acme,globex}"}, s.values(s.image)...)...); err != nil {
		return err
	}
	if _, err := s.kube(ctx, "", "patch", "oauthvendor", "e2e", "--type=json", "-p", `[{"op": "remove", "path": "/spec/transport/caBundle"}]`); err != nil {
		return err
	}
	if _, err := s.kube(ctx, "", "wait", "--for=condition=Programmed", "oauthvendor/e2e", "--timeout=60s"); err != nil {
		return err
	}
	may, err := s.kube(ctx, "", "auth", "can-i", "list", "secrets", "-n", "default", "--as", "system:serviceaccount:"+namespace+":"+release+"-manager")
	if err == nil {
		return fmt.Errorf("in namespaced mode the operator may list Secrets of another namespace: %s", may)
	}
	s.line("namespaced mode, and a private CA by extraCACertificates:")
	return s.logins(ctx)
}

// kustomize replaces the release by an install of config/default.
func (s *suite) kustomize(ctx context.Context) error {
	if err := s.uninstall(ctx); err != nil {
		return err
	}
	root, err := filepath.Rel(s.dir, s.tools.Root)
	if err != nil {
		return err
	}
	overlay := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [%[1]s/config/default, settings.yaml]
components: [%[1]s/config/default/settings]
replicas: [{name: oauth-broker, count: 3}]
images: [{name: %[2]s, newTag: %[3]s}]
`, root, imageName, s.image)
	settings := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: oauth-broker-settings, annotations: {config.kubernetes.io/local-config: 'true'}}\ndata: {publicURL: " + publicURL + "}\n"
	for name, content := range map[string]string{"kustomization.yaml": overlay, "settings.yaml": settings} {
		if err := os.WriteFile(s.file(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	if _, err := s.kube(ctx, "", "apply", "--server-side", "--force-conflicts", "-k", s.dir); err != nil {
		return err
	}
	s.line("$ kubectl apply --server-side -k OVERLAY")
	if err := s.rolled(ctx, release); err != nil {
		return err
	}
	if _, err := s.kube(ctx, s.vendor(""), "apply", "-f", "-"); err != nil {
		return err
	}
	if _, err := s.kube(ctx, "", "wait", "--for=condition=Programmed", "oauthvendor/e2e", "--timeout=60s"); err != nil {
		return err
	}
	if err := s.findService(ctx); err != nil {
		return err
	}
	return errors.Join(s.refreshOld(ctx), s.logins(ctx))
}
