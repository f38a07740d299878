// Package pages holds no code: its tests hold every Markdown file of this repository to what it
// says. Programs are compiled, commands are run in their order, and links are followed.
//
// # For writers
//
//   - A ```go block that begins a file (it has a package clause) is compiled, and the reader has it as
//     main.go, or as the name in its first line: "// name.go". Any other is an excerpt and says of what, right
//     before it: <!-- from examples/plain/main.go -->. "…" in a line of its own leaves lines out.
//   - The ```sh blocks of a page are run by one bash, from an empty directory. A ```console block is what the
//     last of them prints, and so is a ```text block right after it; "…" stands for any text or any lines.
//   - A block of another language whose first line is "# name.yaml" is that file, and a ```sh block that is
//     from a file is that script. Other YAML has to be a tool's or a gateway's file, and JSON has to be JSON.
//   - A block for which this cannot be says why, right before it: <!-- not run: needs Kubernetes -->, or which
//     test holds it: <!-- held by conformance/guide_test.go -->. Before the first ## that is said of all blocks.
//   - Every relative link leads to a file, and every #anchor to a heading. `make pages` runs all of it.
//
// # What is not as the reader has it
//
// Commands find telemetry, telemetry-relay and mytool (examples/mytool) of this checkout, and a home of
// their own. Ports of 127.0.0.1 and localhost are free ones. `go get` takes the modules of this
// repository from here, and others in the version that the program's own go.mod has; of `go install` only
// that the program is there is looked at. Times, durations and IDs are not compared.
//
// Pages are read from the files that are there, wherever they are moved to: no test lists them.
package pages
