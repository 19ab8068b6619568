// go-salesforce with the client credentials grant. docs/clients.md explains the settings.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"

	"github.com/k-capehart/go-salesforce/v3"
)

func main() {
	integration := os.Getenv("VALETKEY_INTEGRATION")
	if integration == "" {
		integration = "billing"
	}
	client, err := salesforce.Init(salesforce.Creds{
		Domain:         os.Getenv("VALETKEY_URL") + "/login/" + integration,
		ConsumerKey:    os.Getenv("VALETKEY_KEY_ID"),
		ConsumerSecret: os.Getenv("VALETKEY_KEY"),
	})
	if err != nil {
		log.Fatal(err)
	}
	call := func() {
		organizations := []struct{ Id string }{}
		if err := client.Query("SELECT Id FROM Organization", &organizations); err != nil {
			log.Fatal(err)
		}
		fmt.Println(organizations[0].Id)
	}

	// Calls Salesforce once, and once more for each line of the input.
	call()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		call()
	}
}
