// Calls Salesforce with a token of Valetkey. Nothing to install but Go.
//
//	VALETKEY_URL=http://127.0.0.1:8080 VALETKEY_KEY=… go run token.go [integration]
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

var client = &http.Client{Timeout: 12 * time.Second}

func getJSON(url, bearer string, into any) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		// An error of Valetkey is a problem document: its code says what happened.
		problem, _ := io.ReadAll(io.LimitReader(response.Body, 64*1024))
		return fmt.Errorf("%s %s", response.Status, problem)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func main() {
	log.SetFlags(0)
	integration := "billing"
	if len(os.Args) > 1 {
		integration = os.Args[1]
	}

	var token struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
	}
	url := os.Getenv("VALETKEY_URL") + "/tokens/" + integration
	if err := getJSON(url, os.Getenv("VALETKEY_KEY"), &token); err != nil {
		log.Fatal(err)
	}

	var resources struct{ Sobjects string }
	url = token.InstanceURL + "/services/data/v66.0/"
	if err := getJSON(url, token.AccessToken, &resources); err != nil {
		log.Fatal(err)
	}
	fmt.Println(resources.Sobjects)
}
