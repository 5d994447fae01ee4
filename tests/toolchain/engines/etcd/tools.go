//go:build tools

// Package tools names the programs whose modules go.mod and go.sum pin.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
