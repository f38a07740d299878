package core

// Open opens the collector of the manager's installation, as the function Open does, with the
// options that the manager was made with.
func (m *Manager) Open() (*Collector, error) { return m.in.open() }
