// Package policy holds no code: its tests run a real tool under a real /etc of an
// administrator, and count who is contacted.
package policy
