//go:build !linux

package coretest

func deadNameServer() (*stage, error) { return nil, notHere("it takes namespaces of Linux") }
