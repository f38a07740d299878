// Package kongcli gives a tool with kong its telemetry: the commands under telemetry, the
// question, and a record of each other command.
//
//	parser, err := kong.New(&grammar, kongcli.Command(manager))
//	call, err := parser.Parse(os.Args[1:])
//	err = kongcli.Run(ctx, call, manager) // in the place of call.Run()
//
// Recorded are a command's path, how long its Run took, the names of its flags that were set,
// the exit code and the class of its error. What kong refuses before that is not. Its own exit
// code for wrong usage is 80, also under telemetry.
//
// kong has no completion for shells, and this adds none. The commands are in kong's own model, so what
// reads that, such as github.com/willabides/kongplete, completes them with the tool's; the numbers that
// log and receipts take it does not know.
package kongcli

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/gotoolbase/telemetry/core"
	"github.com/gotoolbase/telemetry/core/console"
	"github.com/gotoolbase/telemetry/core/props"
)

const groupName = "telemetry"

// Command returns the option that adds the command telemetry, with all of its own under it.
func Command(m *core.Manager, options ...console.Option) kong.Option {
	summary, _ := console.Group(m.Tool().Name, options...)
	var group struct{ kong.Plugins }
	list := console.Commands(func() (*core.Manager, error) { return m, nil }, options...)
	tried := map[string]bool{}
	for _, c := range list {
		for _, word := range c.SuggestFor {
			if !tried[word] {
				tried[word] = true
				group.Plugins = append(group.Plugins, refusing(word, console.Unknown(list, word, options...)))
			}
		}
		// kong makes its commands of structs with tags, so one is made of each command.
		field := reflect.StructField{Name: title(c.Name), Type: reflect.TypeFor[command](), Tag: tags("cmd", "", "name", c.Name, "help", c.Summary)}
		if c.Hidden {
			field.Tag += ` hidden:""`
		}
		if len(c.Aliases) > 0 {
			field.Tag += tags(" aliases", strings.Join(c.Aliases, ","))
		}
		holder := reflect.New(reflect.StructOf([]reflect.StructField{field}))
		flags := flagsOf(c)
		holder.Elem().Field(0).Set(reflect.ValueOf(command{Plugins: kong.Plugins{flags.Interface()}, Spec: c, Values: flags.Elem()}))
		group.Plugins = append(group.Plugins, holder.Interface())
	}
	group.Plugins = append(group.Plugins, &struct {
		Help groupHelp `cmd:"" default:"1" hidden:""`
	}{})
	return kong.DynamicCommand(groupName, summary, "", &group)
}

// refusing returns a hidden command that ends with an error: kong leaves an adapter no other way
// to answer a word that is no command.
func refusing(word string, err error) any {
	field := reflect.StructField{Name: title(word), Type: reflect.TypeFor[refusal](), Tag: tags("cmd", "", "name", word, "hidden", "")}
	holder := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	holder.Elem().Field(0).Set(reflect.ValueOf(refusal{err}))
	return holder.Interface()
}

// refusal is a word that people try and that is no command.
type refusal struct {
	Err error `kong:"-"`
}

// Run runs nothing.
func (r *refusal) Run() error { return r.Err }

// groupHelp is what the group is without one of its commands.
type groupHelp struct{}

// Run prints what commands there are.
func (*groupHelp) Run(call *kong.Context) error {
	group := *call
	group.Path = slices.DeleteFunc(slices.Clone(call.Path), func(step *kong.Path) bool { return step.Command != nil && step.Command.Name != groupName })
	return group.PrintUsage(false)
}

// command is one of the commands to kong.
type command struct {
	kong.Plugins                  // what kong fills: its flags and arguments
	Spec         *console.Command `kong:"-"`
	Values       reflect.Value    `kong:"-"` // of the plugin
}

// Help is what --help says.
func (c *command) Help() string { return c.Spec.Help }

// Run hands on what kong filled.
func (c *command) Run(k *kong.Kong, ctx context.Context) error {
	var args []string
	for i := range c.Values.NumField() {
		name, value := c.Values.Type().Field(i).Tag.Get("name"), c.Values.Field(i)
		if list, is := value.Interface().([]string); is {
			args = list
		} else if text := fmt.Sprint(value); text == c.Spec.Flags.Lookup(name).DefValue {
			continue
		} else if err := c.Spec.Flags.Set(name, text); err != nil {
			return &console.UsageError{Err: fmt.Errorf("--%s: %w", name, err)}
		}
	}
	return c.Spec.Run(ctx, console.Streams{Out: k.Stdout, Err: k.Stderr}, args)
}

// flagsOf returns a pointer to a struct with a field for each flag of a command.
func flagsOf(c *console.Command) reflect.Value {
	var fields []reflect.StructField
	for _, f := range c.List() {
		kind, usage := flag.UnquoteUsage(f.Flag)
		field := reflect.StructField{Name: title(f.Name), Type: reflect.TypeFor[string](), Tag: tags("name", f.Name, "help", usage)}
		switch {
		case f.Bool:
			field.Type = reflect.TypeFor[bool]()
		case f.Choices == nil:
			field.Tag += tags(" placeholder", kind)
		}
		if f.DefValue != "" && !f.Bool {
			field.Tag += tags(" default", f.DefValue)
		}
		if f.Letter != "" {
			field.Tag += tags(" short", f.Letter)
		}
		if f.Hidden {
			field.Tag += ` hidden:""`
		}
		if f.Choices != nil {
			var values []string
			for _, choice := range f.Choices {
				value, _, _ := strings.Cut(choice, "\t")
				values = append(values, value)
			}
			field.Tag += tags(" enum", strings.Join(values, ","), "placeholder", strings.Join(values, "|"))
		}
		fields = append(fields, field)
	}
	if c.MaxArgs > 0 {
		fields = append(fields, reflect.StructField{Name: "Args", Type: reflect.TypeFor[[]string](), Tag: tags("arg", "", "optional", "", "name", strings.ToLower(strings.Trim(c.Args, "[]")))})
	}
	return reflect.New(reflect.StructOf(fields))
}

// tags makes a struct's tag of keys and values.
func tags(pairs ...string) reflect.StructTag {
	var list []string
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, pairs[i]+":"+strconv.Quote(pairs[i+1]))
	}
	return reflect.StructTag(strings.Join(list, " "))
}

func title(name string) string {
	return strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "-", "_")
}

// Run runs the command that was called, as call.Run does: it asks, if it is the first one, and
// records it. The commands under telemetry are not recorded. ctx is bound for the Run methods
// that take a context.Context, and the collector for those that take a props.Collector.
func Run(ctx context.Context, call *kong.Context, m *core.Manager, options ...console.Option) error {
	call.BindTo(ctx, (*context.Context)(nil))
	var path, flags []string
	for _, step := range call.Path {
		switch {
		case step.Command != nil:
			path = append(path, step.Command.Name)
		case step.Flag != nil && !step.Flag.Hidden:
			flags = append(flags, step.Flag.Name)
		}
	}
	if len(path) > 0 && path[0] == groupName {
		return call.Run()
	}
	options = append([]console.Option{console.WithStreams(console.Streams{Out: call.Stdout, Err: call.Stderr})}, options...)
	return console.Record(ctx, m, cmp.Or(strings.Join(path, " "), m.Tool().Name), flags, func(c props.Collector) error {
		call.BindTo(c, (*props.Collector)(nil))
		return call.Run()
	}, options...)
}
