//go:build tools

// Package tools names the programs whose modules go.mod and go.sum pin.
package tools

import (
	_ "github.com/oauth2-proxy/oauth2-proxy/v7"
)
