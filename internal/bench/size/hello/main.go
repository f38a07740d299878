// Hello prints a line and links nothing else.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		return // size measures the time up to here
	}
	fmt.Println("hello")
}
