package core_test

var notHere = []string{"file", "noop", "stdout", "posthog"}

func addPostHog(map[string]receiver) {}
