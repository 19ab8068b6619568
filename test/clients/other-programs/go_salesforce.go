// An assertion that the client signs.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log"
	"os"

	"github.com/k-capehart/go-salesforce/v3"
)

func main() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	block := pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	_, err = salesforce.Init(salesforce.Creds{
		Domain:         os.Getenv("VALETKEY_URL") + "/login/" + os.Getenv("VALETKEY_INTEGRATION"),
		ConsumerKey:    os.Getenv("VALETKEY_KEY_ID"),
		ConsumerRSAPem: string(pem.EncodeToMemory(&block)),
		Username:       "billing@acme.com",
	})
	log.Fatal(err)
}
