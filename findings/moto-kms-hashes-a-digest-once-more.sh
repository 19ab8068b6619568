#!/bin/sh
# moto 5.2.5, KMS: `Sign` with `MessageType='DIGEST'` hashes the digest that it is given once more before
# it signs. So the signature verifies over the digest, not over the message, and a JWT that is signed this way does
# not verify with its own public key. With `RAW` and the message, it does. It hurts who tests the signing
# of assertions by KMS against moto: right code fails, and code that is made to pass fails at AWS, where a
# DIGEST is signed as it is. Test with `RAW` (AWS takes up to 4,096 bytes, more than an assertion).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check moto==5.2.5 boto3==1.44.8 cryptography==50.0.2

cat > digest.py <<'PY'
import hashlib

import boto3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from moto import mock_aws


def verifies(signature, signed):
    try:
        key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        return 'verifies'
    except InvalidSignature:
        return 'does not verify'


with mock_aws():  # Answers in this process; nothing goes to the network.
    kms = boto3.client('kms', 'us-east-1', aws_access_key_id='test', aws_secret_access_key='test')
    key_id = kms.create_key(KeyUsage='SIGN_VERIFY', KeySpec='RSA_2048')['KeyMetadata']['KeyId']
    key = load_der_public_key(kms.get_public_key(KeyId=key_id)['PublicKey'])
    message = b'header.payload'
    digest = hashlib.sha256(message).digest()
    for kind, given in ('RAW', message), ('DIGEST', digest):
        signature = kms.sign(
            KeyId=key_id, Message=given, MessageType=kind, SigningAlgorithm='RSASSA_PKCS1_V1_5_SHA_256'
        )['Signature']
        print(f'{kind}: over the message {verifies(signature, message)}, over its digest {verifies(signature, digest)}')
PY
seen=$(env/bin/python digest.py)
echo "$seen"
[ "$seen" = "RAW: over the message verifies, over its digest does not verify
DIGEST: over the message does not verify, over its digest verifies" ] || { echo 'this has changed'; exit 1; }
