// golang.org/x/oauth2 with the client credentials grant. docs/clients.md explains the settings.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

var token *oauth2.Token

func main() {
	integration := os.Getenv("VALETKEY_INTEGRATION")
	if integration == "" {
		integration = "billing"
	}
	config := clientcredentials.Config{
		ClientID:     os.Getenv("VALETKEY_KEY_ID"),
		ClientSecret: os.Getenv("VALETKEY_KEY"),
		TokenURL:     os.Getenv("VALETKEY_URL") + "/oauth/token",
		Scopes:       []string{"integration:" + integration},
		// Otherwise a refused first request is sent a second time in another form.
		AuthStyle: oauth2.AuthStyleInHeader,
	}
	login := func() {
		found, err := config.Token(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		token = found
	}
	call := func() {
		response := query()
		if response.StatusCode == http.StatusUnauthorized {
			response.Body.Close()
			login()
			response = query()
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			log.Fatal(response.Status)
		}
		var result struct{ Records []struct{ Id string } }
		if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Records[0].Id)
	}

	// Calls Salesforce once, and once more for each line of the input.
	login()
	call()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		call()
	}
}

func query() *http.Response {
	instance := token.Extra("instance_url").(string)
	soql := url.QueryEscape("SELECT Id FROM Organization")
	request, err := http.NewRequest("GET", instance+"/services/data/v66.0/query?q="+soql, nil)
	if err != nil {
		log.Fatal(err)
	}
	token.SetAuthHeader(request)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	return response
}
