// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/oauthbroker/oauth-broker/controllers/translate"
)

// fakeReader is an API server with at most one Secret.
type fakeReader struct {
	client.Reader
	secret *corev1.Secret
	err    error
	reads  int
	// during runs while a read is on its way, after its answer is fixed.
	during func()
}

func (f *fakeReader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	f.reads++
	secret, err := f.secret, f.err
	if f.during != nil {
		f.during()
	}
	if err != nil {
		return err
	}
	if secret == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	target, ok := into.(*corev1.Secret)
	if !ok {
		return errors.New("not a Secret")
	}
	secret.DeepCopyInto(target)
	return nil
}

func aSecret(uid, resourceVersion, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "s", UID: types.UID(uid), ResourceVersion: resourceVersion},
		Data:       map[string][]byte{"clientID": []byte(value), "unrelated": []byte("x")},
	}
}

type storeTest struct {
	*SecretStore
	t       *testing.T
	reader  *fakeReader
	touches int
	keys    map[types.NamespacedName]bool
}

func newStoreTest(t *testing.T) *storeTest {
	s := &storeTest{t: t, reader: &fakeReader{}, keys: map[types.NamespacedName]bool{{Namespace: "ns", Name: "s"}: true}}
	s.SecretStore = &SecretStore{Reader: s.reader, Touch: func(string) { s.touches++ }}
	s.Track("test", s.keys)
	return s
}

func (s *storeTest) key() types.NamespacedName {
	return types.NamespacedName{Namespace: "ns", Name: "s"}
}

func (s *storeTest) read() (translate.Secret, bool) {
	s.t.Helper()
	found, err := s.Read(s.t.Context(), s.keys)
	if err != nil {
		s.t.Fatal(err)
	}
	content, ok := found[s.key()]
	return content, ok
}

func (s *storeTest) wantValue(want string) {
	s.t.Helper()
	content, _ := s.read()
	if got := content.Data["clientID"].Reveal(); got != want {
		s.t.Errorf("got %q, want %q", got, want)
	}
}

func (s *storeTest) wantReads(want int) {
	s.t.Helper()
	if s.reader.reads != want {
		s.t.Errorf("got %d reads, want %d", s.reader.reads, want)
	}
}

func TestSecretStore_readsOnce(t *testing.T) {
	s := newStoreTest(t)
	s.reader.secret = aSecret("u", "5", "one")
	s.wantValue("one")
	s.wantValue("one")
	s.see(s.key(), version{"u", "5"}, false) // the watch's own word on the same version
	s.wantValue("one")
	s.wantReads(1)
	if s.touches != 0 {
		t.Errorf("got %d touches for nothing new", s.touches)
	}
	if content, _ := s.read(); len(content.Data) != 1 {
		t.Error("a key that no object can refer to was kept")
	}
}

// TestSecretStore_longValues: what nobody can use takes no memory, and is refused
// all the same.
func TestSecretStore_longValues(t *testing.T) {
	s := newStoreTest(t)
	s.reader.secret = aSecret("u", "5", strings.Repeat("x", 1<<20))
	content, _ := s.read()
	if n := len(content.Data["clientID"].Reveal()); n != translate.MaxValue+1 {
		t.Errorf("%d bytes of a value are kept, want %d", n, translate.MaxValue+1)
	}
}

func TestSecretStore_absenceIsRemembered(t *testing.T) {
	s := newStoreTest(t)
	s.wantValue("")
	s.wantValue("")
	s.wantReads(1)
	s.reader.secret = aSecret("u", "5", "one")
	s.see(s.key(), version{"u", "5"}, false)
	s.wantValue("one")
	s.see(s.key(), version{"u", "6"}, true)
	s.reader.secret = nil
	s.wantValue("")
	s.wantReads(2)
	if s.touches != 2 {
		t.Errorf("got %d touches, want 2", s.touches)
	}
}

func TestSecretStore_lateEventsChangeNothing(t *testing.T) {
	s := newStoreTest(t)
	s.reader.secret = aSecret("new", "9", "new")
	s.wantValue("new")
	s.see(s.key(), version{"old", "5"}, false)
	s.see(s.key(), version{"old", "7"}, true)
	s.see(s.key(), version{"new", "8"}, false)
	s.wantValue("new")
	s.wantReads(1)
	if s.touches != 0 {
		t.Errorf("got %d touches for old news", s.touches)
	}
}

// TestSecretStore_changeDuringARead: the answer of a read that a change overtook
// is used once, and the Secret is read again.
func TestSecretStore_changeDuringARead(t *testing.T) {
	s := newStoreTest(t)
	s.reader.secret = aSecret("u", "5", "one")
	s.reader.during = func() {
		s.reader.during = nil
		s.reader.secret = aSecret("u", "6", "two")
		s.see(s.key(), version{"u", "6"}, false)
	}
	s.wantValue("one")
	if s.touches != 1 {
		t.Errorf("got %d touches, want 1", s.touches)
	}
	s.wantValue("two")
	s.wantReads(2)
}

func TestSecretStore_createdDuringARead(t *testing.T) {
	s := newStoreTest(t)
	s.reader.during = func() {
		s.reader.during = nil
		s.reader.secret = aSecret("u", "6", "two")
		s.see(s.key(), version{"u", "6"}, false)
	}
	s.wantValue("")
	s.wantValue("two")
}

func TestSecretStore_unreadable(t *testing.T) {
	s := newStoreTest(t)
	s.reader.err = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "s", errors.New("no"))
	if content, ok := s.read(); !ok || !content.Unreadable {
		t.Errorf("got %v and %v, want it unreadable", content, ok)
	}
	s.reader.err, s.reader.secret = nil, aSecret("u", "5", "one")
	s.wantValue("one")
}

// TestSecretStore_troubleWithOneSecret: what was read last stands in, and
// without it the Secret is unreadable. The others are read, and it is retried.
func TestSecretStore_troubleWithOneSecret(t *testing.T) {
	for name, failure := range map[string]error{
		"refused by the client": errors.New(`invalid resource name "a/b": [may not contain '/']`),
		"cannot be decrypted":   apierrors.NewInternalError(errors.New("boom")),
		"too many requests":     apierrors.NewTooManyRequests("later", 1),
	} {
		s := newStoreTest(t)
		s.reader.err = failure
		if content, ok := s.read(); !ok || !content.Unreadable {
			t.Errorf("%s: got %v and %v, want it unreadable", name, content, ok)
		}
		s.reader.err, s.reader.secret = nil, aSecret("u", "5", "one")
		s.wantValue("one")
		s.reader.err = failure
		s.see(s.key(), version{"u", "6"}, false)
		s.wantValue("one")
		if content, _ := s.read(); !content.Stale || retryUnreadable(translate.Inputs{Secrets: map[types.NamespacedName]translate.Secret{s.key(): content}}) == 0 {
			t.Errorf("%s: the old content is not marked, or not retried", name)
		}
		s.reader.err, s.reader.secret = nil, aSecret("u", "6", "two")
		s.wantValue("two")
		if content, _ := s.read(); content.Stale {
			t.Errorf("%s: the new content is marked as old", name)
		}
	}
}

// TestSecretStore_unreachable: where no API server answers, nothing is known of
// the Secret, and calling it unreadable would end its owner's logins.
func TestSecretStore_unreachable(t *testing.T) {
	failure := &url.Error{Op: "Get", URL: "https://api.example", Err: errors.New("connection refused")}
	s := newStoreTest(t)
	s.reader.err = failure
	if _, err := s.Read(t.Context(), s.keys); err == nil {
		t.Error("an API server that is away gave an answer")
	}
	s.reader.err, s.reader.secret = nil, aSecret("u", "5", "one")
	s.wantValue("one")
	s.reader.err = failure
	s.see(s.key(), version{"u", "6"}, false)
	s.wantValue("one")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Read(ended, s.keys); err == nil {
		t.Error("the end of the process gave an answer")
	}
}

// TestSecretStore_resync: a list was filtered by what was tracked when it was
// read, so what it lacks is read again and not taken for absent.
func TestSecretStore_resync(t *testing.T) {
	s := newStoreTest(t)
	s.reader.secret = aSecret("u", "5", "one")
	s.wantValue("one")
	s.resync("other", nil)
	s.wantReads(1)
	s.resync("", nil)
	s.wantValue("one")
	s.wantReads(2)
	s.reader.secret = aSecret("u", "7", "two")
	s.resync("ns", map[types.NamespacedName]version{s.key(): {"u", "7"}})
	s.wantValue("two")
	if s.touches != 2 {
		t.Errorf("got %d touches, want 2", s.touches)
	}
}

func TestSecretStore_forgetsWhatNothingRefersTo(t *testing.T) {
	s := newStoreTest(t)
	s.reader.secret = aSecret("u", "5", "one")
	s.wantValue("one")
	s.Track("test", nil)
	s.see(s.key(), version{"u", "6"}, false)
	s.see(types.NamespacedName{Namespace: "a", Name: "b"}, version{"x", "1"}, false)
	if s.Len() != 0 || s.touches != 0 {
		t.Errorf("got %d entries and %d touches, want none", s.Len(), s.touches)
	}
	s.Track("other", s.keys)
	s.wantValue("one")
	s.wantReads(2)
}

// TestSecretStore_echoOfOwnWrite: what this process wrote is no news, and a
// change by somebody else right after it is.
func TestSecretStore_echoOfOwnWrite(t *testing.T) {
	s := newStoreTest(t)
	s.note(s.key(), version{"u", "5"})
	s.see(s.key(), version{"u", "5"}, false)
	if s.touches != 0 {
		t.Error("an own write touched")
	}
	s.see(s.key(), version{"u", "7"}, false)
	s.note(s.key(), version{"u", "6"}) // told late
	if v, _ := s.seen(s.key()); v.ResourceVersion != "7" || s.touches != 1 {
		t.Errorf("got version %s and %d touches, want 7 and 1", v.ResourceVersion, s.touches)
	}
}
