// Command oidc-provider lets the people of a file log in by OpenID Connect. It is the example server of its
// library, on 127.0.0.1 alone and for one client, "headrace".
//
//	oidc-provider PORT USERS REDIRECT
//
// USERS is a file with a JSON object: a person by an id, with the fields of storage.User. REDIRECT is where the
// client takes its people back.
package main

import (
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("oidc-provider PORT USERS REDIRECT")
	}
	port, file, redirect := os.Args[1], os.Args[2], os.Args[3]
	users, err := storage.StoreFromFile(file)
	if err != nil {
		log.Fatalf("oidc-provider: %s: %v", file, err)
	}
	storage.RegisterClients(storage.WebClient("headrace", "secret", redirect))
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	router := exampleop.SetupServer("http://127.0.0.1:"+port+"/", storage.NewStorage(users), logger, false)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, router))
}
