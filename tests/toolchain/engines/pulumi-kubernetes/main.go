// Command pulumi-resource-kubernetes is Pulumi's provider for Kubernetes, from its Go module: the module leaves
// out the generated file that its own main embeds.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// Copied beside this file from the module before the build.
//
//go:embed schema.json
var schema []byte

// Set by the linker; the engine takes a provider on PATH whatever its version.
var version = "0.0.0"

func main() {
	provider.Serve("kubernetes", version, schema, nil)
}
