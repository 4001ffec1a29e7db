// SPDX-License-Identifier: Apache-2.0

package imports

// reach says how far a rule looks.
type reach int

const (
	// everything looks at whatever is linked in, through other modules too.
	everything reach = iota
	// ours looks at what this module's packages import themselves: the listed
	// packages and those of this module that they depend on. It is for packages
	// that Kubernetes' libraries import inside, where we want none.
	ours
	// direct looks at the imports of the listed packages only.
	direct
)

// A rule forbids imports to packages, with a reason. Names are paths in this
// repository (broker/seal) or full import paths (k8s.io/client-go); with /... at
// the end they stand for everything below, too.
type rule struct {
	packages []string
	except   []string // not among packages
	reach    reach
	// deny lists what may not be reached. Where it is empty, allow lists all that
	// may be, besides the standard library.
	deny  []string
	allow []string
	why   string
}

// rules returns the import direction of this repository.
func rules() []rule {
	kubernetes := []string{"k8s.io/...", "sigs.k8s.io/..."}
	sources := []string{"internal/kubesource/...", "internal/filesource/..."}
	operator := []string{"controllers/...", "api/..."}
	return []rule{
		{
			packages: []string{"api/..."},
			reach:    direct,
			allow:    []string{"api/...", "k8s.io/apimachinery/..."},
			why:      "whoever writes a client for our kinds imports api; it must not bring client-go along",
		},
		{
			packages: []string{"controllers/translate/..."},
			deny: []string{
				"k8s.io/client-go/...", "sigs.k8s.io/controller-runtime/...", "controllers",
				"broker/...", "internal/kubesource/...", "internal/filesource/...",
			},
			why: "Translate is a pure function: it gets objects and gives a document, whoever read the objects",
		},
		{
			packages: []string{"controllers/translate/..."},
			reach:    ours,
			deny:     []string{"net/http", "context", "os"},
			why:      "Translate is pure: no calls, no waiting, no files or environment",
		},
		{
			packages: []string{"controllers/translate/..."},
			reach:    direct,
			deny:     []string{"log/slog", "github.com/go-logr/logr"},
			why:      "Translate has verdicts to say what it thinks, and no log",
		},
		{
			packages: []string{"controllers/..."},
			deny:     []string{"broker/..."},
			why:      "operator and broker share the document (internal/runtimeconfig) and nothing else",
		},
		{
			packages: []string{"broker/..."},
			deny:     append(append(append([]string{"cmd/..."}, kubernetes...), operator...), sources...),
			why:      "the broker faces the internet: it holds no Kubernetes client and reads no manifests; a source hands it snapshots",
		},
		{
			packages: []string{
				"broker/oauth/...", "broker/seal/...", "broker/vendor/...", "broker/client/...", "broker/once/...", "broker/live/...",
			},
			deny: []string{"broker"},
			why:  "the parts of the broker are read and tested by themselves; the server puts them together",
		},
		{
			packages: []string{"internal/runtimeconfig/...", "internal/keyring/...", "internal/secret/...", "internal/version/..."},
			deny:     append(append([]string{"broker/...", "cmd/..."}, kubernetes...), append(operator, sources...)...),
			why:      "both sides stand on these packages, so they stand on neither",
		},
		{
			packages: []string{"..."},
			except:   []string{"cmd/...", "test/...", "hack/...", "internal/kms/..."},
			deny:     []string{"internal/kms/..."},
			why:      "the clouds' SDKs are wired in cmd: whoever wraps the key ring gets a keyring.Codec",
		},
		{
			packages: sources,
			deny:     []string{"broker"},
			why:      "a source is wired to the broker in cmd, where one can see which is used",
		},
		{
			packages: []string{"..."},
			except:   []string{"cmd/...", "test/...", "hack/...", "broker/..."},
			deny:     []string{"broker"},
			why:      "cmd is the only place where the server meets a source of configuration",
		},
		{
			packages: []string{"..."},
			except:   []string{"test/...", "hack/..."},
			deny:     []string{"test/...", "hack/..."},
			why:      "what is shipped contains no fixtures and no development tools",
		},
	}
}
