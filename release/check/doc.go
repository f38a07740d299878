// Package check holds no code: its tests hold what a release is made of to what is said of it.
package check
