// A module of its own, so that kong is a dependency of nobody who does not use it.
module github.com/gotoolbase/telemetry/contrib/kongcli

go 1.26.0

replace github.com/gotoolbase/telemetry => ../..

require (
	github.com/alecthomas/kong v1.17.0
	github.com/gotoolbase/telemetry v0.0.0-00010101000000-000000000000
)

require (
	github.com/creack/pty v1.1.24 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
