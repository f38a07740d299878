// Package omitted holds no code: its tests build programs with the tag notelemetry, look into
// the files and run them.
package omitted
