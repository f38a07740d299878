package redact

// Secret is what takes the place of a secret's value.
const Secret = markSecret

// SecretName reports whether a key's value is to be taken for a secret.
func SecretName(key string) bool { return secretName(key) }
