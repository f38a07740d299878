// A module of its own, as the other adapters are: its releases follow go-tool-base's.
module github.com/gotoolbase/telemetry/contrib/gotoolbase

go 1.26.0

replace github.com/gotoolbase/telemetry => ../..

require github.com/gotoolbase/telemetry v0.0.0-00010101000000-000000000000
