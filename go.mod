module github.com/gotoolbase/telemetry

go 1.26.0

// A tool that requires this module gets none of these but what it links (make size). But Go raises what the tool requires
// itself to what stands here, used or not. So these are floors, the lowest versions that do, each with why no lower one
// does: make floors tries it. All tests run with exactly these.
require (
	github.com/DataDog/datadog-api-client-go/v2 v2.63.0 // floor: v2.62.0 fails ./backends/datadog
	github.com/creack/pty v1.1.18 // tests
	github.com/jackc/pgx/v5 v5.12.0 // newest: telemetry-relay alone
	github.com/jarcoal/httpmock v1.3.1 // tests
	github.com/klauspost/compress v1.17.11 // floor: of github.com/posthog/posthog-go
	github.com/posthog/posthog-go v1.27.0 // floor: v1.25.2 does not build ./backends/posthog
	github.com/spf13/cobra v1.9.1 // floor: v1.8.1 does not build ./internal/rootcmd
	github.com/spf13/pflag v1.0.7 // floor: v1.0.6 does not build ./cmd/telemetry/telemetrycmd
	go.opentelemetry.io/proto/slim/otlp v1.7.1 // floor: the first that can be had
	go.yaml.in/yaml/v3 v3.0.2 // floor: the first that can be had
	golang.org/x/sys v0.49.0 // floor: of modernc.org/sqlite
	google.golang.org/protobuf v1.36.12 // newest: its predecessors make backends/otlp larger
	modernc.org/sqlite v1.62.0 // newest: telemetry-relay alone
)

require (
	github.com/DataDog/zstd v1.5.2 // indirect
	github.com/andybalholm/brotli v1.1.1 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/goccy/go-json v0.10.6 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	modernc.org/libc v1.80.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
