// Package dpop is experimental. It calls Salesforce with tokens that work with a proof only: Valetkey
// has the key, and signs a proof for each try. docs/dpop.md explains it.
package dpop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// For a nonce, a dead session, and the nonce of the next token.
const tries = 4

var broker = &http.Client{Timeout: 12 * time.Second}

// Request is what a proof is for. The proof covers the URL up to the query.
type Request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

// Wants is what the former try lacked.
type Wants struct {
	Nonce    string `json:"nonce,omitempty"`
	Rejected string `json:"rejected,omitempty"`
}

// Proofs is a token with a proof for each request.
type Proofs struct {
	AccessToken string   `json:"access_token"`
	TokenID     string   `json:"token_id"`
	InstanceURL string   `json:"instance_url"`
	Proofs      []string `json:"proofs"`
}

// Prove asks Valetkey.
func Prove(requests []Request, wants Wants) (*Proofs, error) {
	name := os.Getenv("VALETKEY_INTEGRATION")
	if name == "" {
		name = "billing"
	}
	body, err := json.Marshal(struct {
		Requests []Request `json:"requests"`
		Wants
	}{requests, wants})
	if err != nil {
		return nil, err
	}
	url := os.Getenv("VALETKEY_URL") + "/tokens/" + name + "/proofs"
	asked, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	asked.Header.Set("Authorization", "Bearer "+os.Getenv("VALETKEY_KEY"))
	asked.Header.Set("Content-Type", "application/json")
	answer, err := broker.Do(asked)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var problem struct{ Code, Detail string }
		if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil {
			return nil, fmt.Errorf("Valetkey: %s", answer.Status)
		}
		return nil, fmt.Errorf("Valetkey: %s: %s", problem.Code, problem.Detail)
	}
	proofs := &Proofs{}
	return proofs, json.NewDecoder(answer.Body).Decode(proofs)
}

// Transport is a http.RoundTripper. It is below redirects, so each hop has a proof of its own, or none
// where the host is another one.
type Transport struct{ Base http.RoundTripper }

func (transport *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	var wants Wants
	for try := 1; ; try++ {
		// The request of the caller must not change.
		attempt := request.Clone(request.Context())
		if try > 1 && request.GetBody != nil {
			body, err := request.GetBody()
			if err != nil {
				return nil, err
			}
			attempt.Body = body
		}
		given, err := Prove([]Request{{request.Method, request.URL.String()}}, wants)
		if err != nil {
			return nil, err
		}
		attempt.Header.Set("Authorization", "DPoP "+given.AccessToken)
		attempt.Header.Set("DPoP", given.Proofs[0])
		answer, err := transport.Base.RoundTrip(attempt)
		if err != nil {
			return nil, err
		}
		// A second refusal is not for want of a nonce.
		hadNonce := wants.Nonce != ""
		nonce := answer.Header.Get("DPoP-Nonce")
		isRefused := answer.StatusCode == http.StatusUnauthorized
		wants = Wants{}
		if nonce != "" && !hadNonce && (isRefused || answer.StatusCode == http.StatusBadRequest) {
			wants.Nonce = nonce
		} else if isRefused {
			wants.Rejected = given.TokenID
		}
		canRepeat := request.Body == nil || request.GetBody != nil
		if wants == (Wants{}) || try == tries || !canRepeat {
			return answer, nil
		}
		// Read to the end, so that the connection is free.
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}
