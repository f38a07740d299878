//go:build !unix || aix || solaris

package detach

func session() int { return 0 }
