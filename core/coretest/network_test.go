package coretest_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gotoolbase/telemetry/core/coretest"
)

// goesOut names what asks TestThatGoesOut to.
const goesOut = "CORETEST_GOES_OUT"

func TestThatGoesOut(t *testing.T) {
	t.Parallel()
	if os.Getenv(goesOut) == "" {
		t.Skip("is for TestTheGuardOfAPackageSeesParallelTests")
	}
	if _, err := http.Get("https://receiver.example.com/events"); err == nil {
		t.Error("it came through")
	}
}

func TestTheGuardOfAPackageSeesParallelTests(t *testing.T) {
	t.Parallel()
	for _, env := range []string{"", goesOut + "=1"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestThatGoesOut$")
		cmd.Env = append(os.Environ(), env)
		out, err := cmd.CombinedOutput()
		said := strings.Contains(string(out), "a test went to the network: to receiver.example.com:443\n")
		if failed := err != nil; failed != (env != "") || said != failed || !strings.HasPrefix(string(out), "PASS\n") {
			t.Errorf("%q: %v\n%s", env, err, out)
		}
	}
}

// guarded runs what a test does under the guard, and returns what it fails with.
func guarded(t *testing.T, act func(t *testing.T)) []string {
	t.Helper()
	mine := &told{}
	t.Run("guarded", func(t *testing.T) {
		mine.TB = t
		coretest.NoNetwork(mine)
		act(t)
	})
	return mine.errors
}

func TestWhereATestWentIsNamed(t *testing.T) { // not parallel: the guard is the process's
	was, asked := http.DefaultTransport, net.DefaultResolver
	got := guarded(t, func(t *testing.T) {
		clone := http.DefaultTransport.(*http.Transport).Clone()
		defer clone.CloseIdleConnections()
		for _, client := range []*http.Client{http.DefaultClient, {Transport: clone}} {
			if _, err := client.Get("http://192.0.2.1/"); err == nil || !strings.Contains(err.Error(), "no test is to reach 192.0.2.1:80") {
				t.Errorf("%v", err)
			}
		}
		own := &http.Client{Transport: &http.Transport{}}
		if _, err := own.Get("https://receiver.example.com/"); err == nil {
			t.Error("it came through")
		}
		if _, err := net.Dial("tcp", "names.example.com:443"); err == nil {
			t.Error("it came through")
		}
	})
	want := []string{
		"the test went to the network: to 192.0.2.1:80",
		"the test went to the network: to the name receiver.example.com",
		"the test went to the network: to the name names.example.com",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it failed with %q, want %q", got, want)
	}
	if http.DefaultTransport != was || net.DefaultResolver != asked {
		t.Error("what it replaced is not put back")
	}
}

func TestATransportOfAnotherKindIsGuardedToo(t *testing.T) { // not parallel: it replaces the process's
	was := http.DefaultTransport
	defer func() { http.DefaultTransport = was }()
	http.DefaultTransport = answering{}
	got := guarded(t, func(t *testing.T) {
		for url, comes := range map[string]bool{"https://receiver.example.com/": false, "http://127.0.0.1:1/": true, "http://[::1]/": true} {
			if _, err := http.Post(url, "text/plain", strings.NewReader("x")); (err == nil) != comes {
				t.Errorf("%s: %v", url, err)
			}
		}
	})
	if want := []string{"the test went to the network: to receiver.example.com"}; !slices.Equal(got, want) {
		t.Errorf("it failed with %q, want %q", got, want)
	}
}

type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

func TestLoopbackStaysOpen(t *testing.T) { // not parallel: the guard is the process's
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://proxy.example.com:8080")
	got := guarded(t, func(t *testing.T) {
		for _, url := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)} {
			answer, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
		}
	})
	if len(got) > 0 {
		t.Errorf("it failed with %q", got)
	}
}

func TestAParallelTestCannotHaveTheGuardForItselfAlone(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it can")
		}
	}()
	coretest.NoNetwork(t)
}
