// Hello prints a line and links nothing else.
package main

import "fmt"

func main() { fmt.Println("hello") }
