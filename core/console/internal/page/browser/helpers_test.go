// Package browser has no code: its tests look at the page in a real Chromium.
package browser

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/gotoolbase/telemetry/core/console/internal/page"
	"github.com/gotoolbase/telemetry/core/console/internal/page/samples"
)

// The tests run one after the other: a browser is busy enough with one. Only the two that wait for
// most of a minute until a page counts as closed do so together, after the others.

// served serves data, and returns the address to open. ended gets the ending.
func served(t *testing.T, data page.Data) (address string, ended <-chan page.Ending) {
	t.Helper()
	return servedBy(t, func(context.Context) (page.Data, error) { return data, nil })
}

func servedBy(t *testing.T, load func(context.Context) (page.Data, error)) (address string, ended <-chan page.Ending) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ending := make(chan string, 1), make(chan page.Ending, 1)
	var running sync.WaitGroup
	running.Go(func() {
		e, err := page.Serve(ctx, load, page.Options{Ready: func(address string) { ready <- address }})
		if err != nil {
			t.Error(err)
			close(ready)
		}
		ending <- e
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return <-ready, ending
}

// chromium starts a browser with a profile of its own, and returns the context of its first
// tab. One that is missing is a failure: a test that looks at nothing would always pass.
func chromium(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("there is no chromium: use `make web`, which installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-domain-reliability", true),
		// Chromium's sandbox needs what containers and root do not have. It sees our pages only.
		chromedp.NoSandbox)
	options = append(options, more...)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	t.Cleanup(func() { chromedp.Cancel(ctx) }) // and waits until it has ended, before its profile goes
	do(t, ctx, chromedp.Navigate("about:blank"))
	limited, cancel := context.WithTimeout(ctx, 8*time.Minute)
	t.Cleanup(cancel)
	return limited
}

// do runs actions in a tab.
func do(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// get runs an action that has a result.
func get[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// call sends a command of the DevTools protocol to a tab.
func call[P, R any](t *testing.T, ctx context.Context, command cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		t.Fatal(err)
	}
}

// ask evaluates an expression in a tab, or the promise that it is.
func ask[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	return get(t, ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// open opens an address in a tab, and fails where that shows no page of ours.
func open(t *testing.T, ctx context.Context, address string) {
	t.Helper()
	response, err := chromedp.RunResponse(ctx, chromedp.Navigate(address))
	if err != nil {
		t.Fatal(err)
	}
	if response.Status != http.StatusOK {
		t.Fatalf("%s: %d", address, response.Status)
	}
	do(t, ctx, chromedp.WaitReady("footer"))
}

// screen is a way to look at the page.
type screen struct {
	width int64
	theme string
}

func screens() []screen {
	var list []screen
	for _, width := range []int64{360, 768, 1600} {
		for _, theme := range []string{"light", "dark"} {
			list = append(list, screen{width, theme})
		}
	}
	return list
}

func (s screen) set(t *testing.T, ctx context.Context) {
	t.Helper()
	call(t, ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.width, Height: 900, DeviceScaleFactor: 1, Mobile: s.width < 500})
	call(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: s.theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// picture keeps a screenshot in the folder that SCREENSHOTS names: of the whole page or,
// where that is too tall for a picture, of what the window shows.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	take := chromedp.FullScreenshot(100)
	if ask[int](t, ctx, "document.documentElement.scrollHeight") > 16_000 {
		take = chromedp.CaptureScreenshot()
	}
	png := get(t, ctx, take)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o666); err != nil {
		t.Fatal(err)
	}
}

var fixtures = map[string]func() page.Data{"empty": samples.Empty, "typical": samples.Typical, "hostile": samples.Hostile}
