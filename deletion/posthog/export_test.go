package posthog

var PersonUUID = personUUID
