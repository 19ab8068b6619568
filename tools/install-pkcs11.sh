#!/bin/sh
# Of the Dockerfile: compiles `pkcs11js` of the version that package.json names into `node_modules` here.
set -eu
apt-get update
apt-get install --yes --no-install-recommends python3 make g++
version=$(node -p "require('/tmp/package.json').peerDependencies.pkcs11js")
# Its scripts run: they compile it, with the headers of this Node.
npm_config_nodedir=/usr/local npm install --prefix . --no-audit --no-fund --ignore-scripts=false "pkcs11js@$version"
# What only the compilation needs.
rm -rf node_modules/pkcs11js/build/Release/obj.target node_modules/pkcs11js/build/Release/.deps node_modules/.package-lock.json
