// Browser is a module of its own so that what drives Chromium is no dependency of anybody
// who uses this project.
module github.com/gotoolbase/telemetry/core/console/internal/page/browser

go 1.26.0

replace github.com/gotoolbase/telemetry => ../../../../..

require (
	github.com/chromedp/cdproto v0.159.3
	github.com/chromedp/chromedp v0.23.0
	github.com/gotoolbase/telemetry v0.0.0-00010101000000-000000000000
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
