//go:build tools

// Package tools names the programs whose modules go.mod and go.sum pin.
package tools

import (
	_ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
)
