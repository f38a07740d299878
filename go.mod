module github.com/gotoolbase/telemetry

go 1.26
