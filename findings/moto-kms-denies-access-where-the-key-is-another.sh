#!/bin/sh
# moto 5.2.5, KMS: `Decrypt` that names another key than the one that encrypted answers AccessDeniedException.
# AWS documents IncorrectKeyException for this. It hurts who tests with moto what a service says of a data key that
# another key wrapped: the service blames the policy, and code for the documented error is never run. Let a stub of
# one's own answer IncorrectKeyException.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check moto==5.2.5 boto3==1.44.8 cryptography==50.0.2

cat > decrypt.py <<'PY'
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

with mock_aws():  # Answers in this process; nothing goes to the network.
    kms = boto3.client('kms', 'us-east-1', aws_access_key_id='test', aws_secret_access_key='test')
    one, other = (kms.create_key()['KeyMetadata']['KeyId'] for _ in range(2))
    wrapped = kms.encrypt(KeyId=one, Plaintext=b'a data key')['CiphertextBlob']
    for what, key in (('the key that encrypted', one), ('another key', other)):
        try:
            said = kms.decrypt(KeyId=key, CiphertextBlob=wrapped)['Plaintext'].decode()
        except ClientError as error:
            said = error.response['Error']['Code']
        print(f'{what}: {said}')
PY
seen=$(env/bin/python decrypt.py)
echo "$seen"
[ "$seen" = 'the key that encrypted: a data key
another key: AccessDeniedException' ] || { echo 'this has changed'; exit 1; }
