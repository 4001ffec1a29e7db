// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"net/http"
	"net/http/pprof" // what it adds to http.DefaultServeMux is never served

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthz tells that the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// readyz tells whether requests can be served: there are keys and a
// configuration, and the server is not draining. Redis does not count: all replicas share it, so
// one that is not ready would help nobody, and end what needs no Redis.
func (s *Server) readyz(w http.ResponseWriter, r *request) error {
	switch {
	case s.draining.Load():
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
	case r.missing() != "":
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": r.missing()})
	default:
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	}
	return nil
}

// Admin is the handler of the admin listener, which must not be reachable from
// outside.
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", s.observe("/healthz", s.healthz))
	mux.Handle("GET /readyz", s.observe("/readyz", s.readyz))
	mux.HandleFunc("GET /revision", s.revision)
	mux.HandleFunc("GET /debug/dump", s.dump)
	mux.HandleFunc("GET /credentials", s.credentials.serve)
	if s.Profiling {
		// Not Cmdline: nobody needs the arguments to read a profile.
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Served is what the admin port's /revision answers.
type Served struct {
	// Sequence and Revision of the served configuration.
	Sequence int64  `json:"sequence"`
	Revision string `json:"revision"`
	// KeyIDs are the ids of the sealing keys that this replica holds.
	KeyIDs []string `json:"keyIDs"`
}

// dump answers with the served configuration, without secrets.
func (s *Server) dump(w http.ResponseWriter, _ *http.Request) {
	c := s.Config.Config.Get()
	if c == nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "no configuration yet"})
		return
	}
	writeJSON(w, http.StatusOK, c.Dump())
}

func (s *Server) revision(w http.ResponseWriter, _ *http.Request) {
	served := Served{KeyIDs: s.Keys.Ring().IDs()}
	if c := s.Config.Config.Get(); c != nil {
		served.Sequence, served.Revision = c.Sequence, c.Revision
	}
	writeJSON(w, http.StatusOK, served)
}
