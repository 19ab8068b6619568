#!/bin/sh
# Calls Salesforce with a token of Valetkey. Needs curl and jq.
# usage: VALETKEY_URL=http://127.0.0.1:8080 VALETKEY_KEY=… sh token.sh [integration]
set -eu

# The key goes in by standard input, so that it is in no list of processes.
ask() {
  printf 'header = "Authorization: Bearer %s"\n' "$1" |
    curl --silent --show-error --fail-with-body --max-time 12 --config - "$2"
}

# An error of Valetkey is a problem document: its `code` says what happened.
token=$(ask "$VALETKEY_KEY" "$VALETKEY_URL/tokens/${1:-billing}") || {
  printf '%s\n' "$token" >&2
  exit 1
}
instance_url=$(printf %s "$token" | jq -r .instance_url)
access_token=$(printf %s "$token" | jq -r .access_token)

ask "$access_token" "$instance_url/services/data/v66.0/" | jq .sobjects
