package collector

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gotoolbase/telemetry/backends/otlp"
	"github.com/gotoolbase/telemetry/core/driver"
	"github.com/gotoolbase/telemetry/core/driver/driverhttp"
)

// receiver is the Collector's OTLP receiver, with a pipeline behind it that ends in a
// sink or does what a test wants.
type receiver struct {
	t    *testing.T
	addr string // the same after a restart
	sink consumertest.LogsSink
	// guard, where not nil, decides who may send.
	guard extensionauth.ServerAuthenticateFunc
	// maxBody is max_request_body_size, the Collector's own if 0.
	maxBody int64
	stop    func(context.Context) error

	mu       sync.Mutex
	pipeline func(context.Context) error // called before the sink, which an error keeps from it
}

// listen starts a receiver at a free port.
func listen(t *testing.T, configure ...func(*receiver)) *receiver {
	t.Helper()
	r := &receiver{t: t, addr: "127.0.0.1:0"}
	for _, c := range configure {
		c(r)
	}
	r.start()
	t.Cleanup(r.shutdown)
	return r
}

// start makes the receiver reachable, at the same address every time.
func (r *receiver) start() {
	r.t.Helper()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	server := &config.Protocols.HTTP.GetOrInsertDefault().ServerConfig
	server.NetAddr.Endpoint = r.addr
	server.MaxRequestBodySize = r.maxBody
	host := &hostWith{Host: componenttest.NewNopHost()}
	if r.guard != nil {
		id := component.MustNewID("guard")
		host.extensions = map[component.ID]component.Component{id: guard{ServerAuthenticateFunc: r.guard}}
		server.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: id}})
	}
	pipeline, err := consumer.NewLogs(r.consume)
	if err != nil {
		r.t.Fatal(err)
	}
	// The receiver tells nobody but its log which port it has.
	core, log := observer.New(zapcore.InfoLevel)
	settings := receivertest.NewNopSettings(factory.Type())
	settings.Logger = zap.New(core)
	logs, err := factory.CreateLogs(r.t.Context(), settings, config, pipeline)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := logs.Start(r.t.Context(), host); err != nil {
		r.t.Fatal(err)
	}
	r.stop = logs.Shutdown
	started := log.FilterMessage("Starting HTTP server").All()
	if len(started) != 1 {
		r.t.Fatalf("the receiver has logged %v, which does not tell its address", log.All())
	}
	r.addr = started[0].ContextMap()["endpoint"].(string)
}

// shutdown ends the receiver: from now on connections are refused.
func (r *receiver) shutdown() {
	r.t.Helper()
	if r.stop == nil {
		return
	}
	// Not the test's context, which has ended when this cleans up.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.stop(ctx); err != nil {
		r.t.Error(err)
	}
	r.stop = nil
}

// let says what the pipeline does with each batch; nil passes it to the sink.
func (r *receiver) let(pipeline func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pipeline = pipeline
}

func (r *receiver) consume(ctx context.Context, logs plog.Logs) error {
	r.mu.Lock()
	pipeline := r.pipeline
	r.mu.Unlock()
	if pipeline != nil {
		if err := pipeline(ctx); err != nil {
			return err
		}
	}
	return r.sink.ConsumeLogs(ctx, logs)
}

// hostWith is the Collector around the receiver.
type hostWith struct {
	component.Host
	extensions map[component.ID]component.Component
}

func (h *hostWith) GetExtensions() map[component.ID]component.Component { return h.extensions }

// guard is an extension as bearertokenauth or basicauth are.
type guard struct {
	component.StartFunc
	component.ShutdownFunc
	extensionauth.ServerAuthenticateFunc
}

// arrived is a log record with all that holds for it.
type arrived struct {
	Resource                    map[string]any
	Scope, ScopeVersion         string
	SchemaURL, ScopeSchemaURL   string
	EventName                   string
	Body                        any
	Severity                    plog.SeverityNumber
	SeverityText                string
	Time, Observed              time.Time
	Attributes                  map[string]any
	Dropped                     uint32 // attributes, of record, scope and resource
	Flags                       plog.LogRecordFlags
	TraceID                     pcommon.TraceID
	SpanID                      pcommon.SpanID
	ScopeAttributes, OfResource int // how many attributes the scope has, and which resource it is
}

// records returns what has reached the sink, in order.
func (r *receiver) records() []arrived {
	var list []arrived
	nth := 0
	for _, logs := range r.sink.AllLogs() {
		for _, of := range logs.ResourceLogs().All() {
			for _, in := range of.ScopeLogs().All() {
				for _, l := range in.LogRecords().All() {
					list = append(list, arrived{
						Resource:  of.Resource().Attributes().AsRaw(),
						SchemaURL: of.SchemaUrl(), ScopeSchemaURL: in.SchemaUrl(),
						Scope: in.Scope().Name(), ScopeVersion: in.Scope().Version(), ScopeAttributes: in.Scope().Attributes().Len(),
						EventName: l.EventName(), Body: l.Body().AsRaw(),
						Severity: l.SeverityNumber(), SeverityText: l.SeverityText(),
						Time: l.Timestamp().AsTime(), Observed: l.ObservedTimestamp().AsTime(),
						Attributes: l.Attributes().AsRaw(),
						Dropped:    l.DroppedAttributesCount() + in.Scope().DroppedAttributesCount() + of.Resource().DroppedAttributesCount(),
						Flags:      l.Flags(), TraceID: l.TraceID(), SpanID: l.SpanID(),
						OfResource: nth,
					})
				}
			}
			nth++
		}
	}
	return list
}

// uids returns the event IDs of what has reached the sink, in order.
func (r *receiver) uids() []string {
	list := []string{}
	for _, a := range r.records() {
		uid, _ := a.Attributes["log.record.uid"].(string)
		list = append(list, uid)
	}
	return list
}

// exchange is a request as it went out, and what was answered.
type exchange struct {
	Path     string
	Header   http.Header
	Length   int64
	Status   int
	Answered http.Header
}

// wire is the transport of a backend, and notes what goes over it.
type wire struct {
	*http.Transport
	mu   sync.Mutex
	seen []exchange
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchange{Path: r.URL.Path, Header: r.Header.Clone(), Length: r.ContentLength}
	resp, err := w.Transport.RoundTrip(r)
	if err == nil {
		x.Status, x.Answered = resp.StatusCode, resp.Header.Clone()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, x)
	return resp, err
}

func (w *wire) last(t *testing.T) exchange {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		t.Fatal("nothing went over the wire")
	}
	return w.seen[len(w.seen)-1]
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// open opens the backend as the collector of package core does.
func (r *receiver) open(settings map[string]string) (driver.Backend, *wire) {
	r.t.Helper()
	all := map[string]string{"endpoint": "http://" + r.addr}
	for name, value := range settings {
		all[name] = value
	}
	d := otlp.Driver()
	resolved, err := d.Resolve(all)
	if err != nil {
		r.t.Fatal(err)
	}
	w := &wire{Transport: driverhttp.NewTransport()}
	b, err := d.Open(driver.Config{Settings: resolved, Tool: "mytool", Version: "1.2.3", Transport: w})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { b.Close() }) // before the receiver, which waits for connections
	return b, w
}
