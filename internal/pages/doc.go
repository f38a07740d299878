// Package pages holds no code: its tests hold every Markdown file of this repository to what it
// says. Programs are compiled, commands are run in their order, and links are followed.
//
// # For writers
//
//   - A ```go block that begins a file (it has a package clause) is compiled, and the reader has it as
//     main.go, or as what "// name.go" in its first line says. Any other ```go block is an excerpt and
//     names its file: <!-- from examples/plain/main.go --> right before it. "…" in a line leaves lines out.
//   - The ```sh blocks of a page are run by one bash in an empty directory. A ```console block is what the
//     last of them prints, and so is a ```text block right after it; "…" stands for any text or any lines.
//   - A block of another language whose first line is "# name.yaml" is that file, there. Other YAML has to
//     be a tool's or a gateway's file, and JSON has to be JSON.
//   - A block that cannot be so says why right before it, <!-- not run: needs Kubernetes -->, or which test
//     holds it instead, <!-- held by conformance/guide_test.go -->. Before the first ## it is of all blocks.
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
