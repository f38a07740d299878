package state

import "os"

func (d Dir) SetAside(name string) (string, error) {
	return name + ".damaged", d.Rename(name, name+".damaged")
}

func (d Dir) Empty(name string) error {
	f, err := os.OpenFile(d.Join(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return Bare(err)
	}
	return f.Close()
}
