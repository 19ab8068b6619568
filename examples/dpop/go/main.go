// net/http with proofs.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"example.valetkey/dpop/dpop"
)

func main() {
	log.SetFlags(0)
	client := &http.Client{
		Transport: &dpop.Transport{Base: http.DefaultTransport},
		Timeout:   30 * time.Second,
	}
	given, err := dpop.Prove([]dpop.Request{}, dpop.Wants{})
	if err != nil {
		log.Fatal(err)
	}
	soql := url.QueryEscape("SELECT Id FROM Organization")
	call := func() {
		answer, err := client.Get(given.InstanceURL + "/services/data/v66.0/query?q=" + soql)
		if err != nil {
			log.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			log.Fatal("Salesforce: ", answer.Status)
		}
		var result struct{ Records []struct{ Id string } }
		if err := json.NewDecoder(answer.Body).Decode(&result); err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Records[0].Id)
	}

	// Calls Salesforce once, and once more for each line of the input.
	call()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		call()
	}
}
