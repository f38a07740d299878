// Package check holds the files of deploy to the programs that read them, as far as that can
// be done without a cluster or a container engine. It is a module of its own: nobody who uses
// the gateway pays for these readers.
package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// user is whom the gateway runs as in a container: nobody's, and the same in all files.
const user = 65532

func TestKubernetesKnowsEveryFieldOfTheManifests(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, doc := range documents(t, "../kubernetes.yaml") {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			t.Fatal(err)
		}
		into := map[string]any{"Deployment": &appsv1.Deployment{}, "Service": &corev1.Service{}, "PodDisruptionBudget": &policyv1.PodDisruptionBudget{}}[kind.Kind]
		if into == nil {
			t.Fatalf("a %q has no place in this test", kind.Kind)
		}
		if err := yaml.UnmarshalStrict(doc, into); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		seen[kind.Kind] = true
		if d, ok := into.(*appsv1.Deployment); ok {
			checkDeployment(t, d)
		}
	}
	if len(seen) != 3 {
		t.Errorf("only %v are there", seen)
	}
}

func checkDeployment(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	if *pod.SecurityContext.RunAsUser != user || *pod.SecurityContext.FSGroup != user || !*pod.SecurityContext.RunAsNonRoot {
		t.Error("it runs as somebody else than the image's user")
	}
	if !*c.SecurityContext.ReadOnlyRootFilesystem || *c.SecurityContext.AllowPrivilegeEscalation || c.SecurityContext.Capabilities.Drop[0] != "ALL" {
		t.Error("it may more than it needs")
	}
	for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe} {
		port := probe.HTTPGet.Port.StrVal
		if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
			t.Errorf("the probe's port %q is none of the container's", port)
		}
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440) {
			t.Error("secrets are mounted for others than the process's user and group")
		}
	}
}

func documents(t *testing.T, path string) (all [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := utilyaml.NewYAMLReader(bufio.NewReader(f)); ; {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, doc)
	}
}

func TestComposeReadsTheComposeFile(t *testing.T) {
	t.Parallel()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithName("relay"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	relay := project.Services["relay"]
	if !relay.ReadOnly || !slices.Contains(relay.CapDrop, "ALL") {
		t.Error("the gateway may more than it needs")
	}
	for _, s := range relay.Secrets {
		if s.UID != "65532" || s.Mode == nil || *s.Mode != 0o400 {
			t.Errorf("the secret %s is not its user's alone", s.Source)
		}
	}
}

// What the image holds is taken from the Dockerfile, put into an empty directory, and run
// there as the root of its world: so nothing of this machine helps it.
func TestTheImageHoldsAllThatTheProgramNeeds(t *testing.T) {
	t.Parallel()
	stages := stagesOf(t)
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		t.Fatalf("the image begins with %s", last.BaseName)
	}
	var copied []string
	ran := ""
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.CopyCommand:
			copied = append(copied, c.DestPath)
			if c.DestPath == "/var/lib/telemetry" && (c.Chown != "65532:65532" || c.Chmod != "0700") {
				t.Error("the database's directory is not its user's alone")
			}
		case *instructions.UserCommand:
			ran = c.User
		}
	}
	if ran != "65532:65532" {
		t.Errorf("it runs as %q", ran)
	}
	if !slices.Equal(copied, []string{"/etc/ssl/certs/ca-certificates.crt", "/telemetry-relay", "/var/lib/telemetry"}) {
		t.Fatalf("the image holds %q", copied)
	}
	root := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", filepath.Join(root, "telemetry-relay"), "./cmd/telemetry-relay")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("there is no unshare here to change the root with")
	}
	out, err := exec.Command(unshare, "--map-root-user", "--root="+root, "/telemetry-relay", "--version").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("telemetry-relay")) {
		t.Errorf("in an empty world: %v\n%s", err, out)
	}
}

func stagesOf(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range tree.Warnings {
		t.Errorf("Dockerfile: %s", w.Short)
	}
	stages, _, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func TestAContainerBuilderMakesTheImage(t *testing.T) {
	t.Parallel()
	for _, builder := range []string{"buildah", "podman", "docker"} {
		if exec.Command(builder, "info").Run() != nil {
			continue
		}
		cmd := exec.Command(builder, "build", "-f", "deploy/Dockerfile", ".")
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", builder, err, out)
		}
		return
	}
	t.Skip("there is no builder of containers here; the other tests read the file")
}

func TestSystemdKnowsEveryLineOfTheUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd here")
	}
	unit, err := os.ReadFile("../telemetry-relay.service")
	if err != nil {
		t.Fatal(err)
	}
	// The program is looked for: any that is there will do.
	here := filepath.Join(t.TempDir(), "telemetry-relay.service")
	unit = bytes.ReplaceAll(unit, []byte("/usr/local/bin/telemetry-relay"), []byte("/bin/true"))
	if err := os.WriteFile(here, unit, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", here).CombinedOutput(); err != nil || strings.Contains(string(out), "telemetry-relay.service") {
		t.Errorf("%v\n%s", err, out)
	}
	// 0 is safest, 100 least: systemd calls what is below 20 safe.
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", here).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
