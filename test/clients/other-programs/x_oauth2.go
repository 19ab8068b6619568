// The password grant.
package main

import (
	"context"
	"log"
	"os"

	"golang.org/x/oauth2"
)

func main() {
	config := oauth2.Config{
		ClientID:     os.Getenv("VALETKEY_KEY_ID"),
		ClientSecret: os.Getenv("VALETKEY_KEY"),
		Endpoint: oauth2.Endpoint{
			TokenURL:  os.Getenv("VALETKEY_URL") + "/oauth/token",
			AuthStyle: oauth2.AuthStyleInHeader,
		},
		Scopes: []string{"integration:" + os.Getenv("VALETKEY_INTEGRATION")},
	}
	_, err := config.PasswordCredentialsToken(context.Background(), "a", "b")
	log.Fatal(err)
}
