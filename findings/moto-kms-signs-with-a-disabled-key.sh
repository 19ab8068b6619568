#!/bin/sh
# moto 5.2.5, KMS: `Sign` goes on with a key that is disabled, and with one that is scheduled for deletion.
# AWS answers DisabledException and KMSInvalidStateException. It hurts who tests with moto what a service does
# when an operator disables its key, the first step of many runbooks: the test sees a good signature, so
# the refusal is never tried. Let a stub of one's own answer these two errors.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check moto==5.2.5 boto3==1.44.8 cryptography==50.0.2

cat > disabled.py <<'PY'
import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

with mock_aws():  # Answers in this process; nothing goes to the network.
    kms = boto3.client('kms', 'us-east-1', aws_access_key_id='test', aws_secret_access_key='test')

    def show(what):
        state = kms.describe_key(KeyId=key)['KeyMetadata']['KeyState']
        try:
            answer = kms.sign(
                KeyId=key, Message=b'header.payload', SigningAlgorithm='RSASSA_PKCS1_V1_5_SHA_256'
            )
            said = f"a signature of {len(answer['Signature'])} bytes"
        except ClientError as error:
            said = error.response['Error']['Code']
        print(f'{what}, in the state {state}: {said}')

    key = kms.create_key(KeyUsage='SIGN_VERIFY', KeySpec='RSA_2048')['KeyMetadata']['KeyId']
    show('new')
    kms.disable_key(KeyId=key)
    show('disabled')
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    show('to be deleted')
PY
seen=$(env/bin/python disabled.py)
echo "$seen"
[ "$seen" = "new, in the state Enabled: a signature of 256 bytes
disabled, in the state Disabled: a signature of 256 bytes
to be deleted, in the state PendingDeletion: a signature of 256 bytes" ] || { echo 'this has changed'; exit 1; }
