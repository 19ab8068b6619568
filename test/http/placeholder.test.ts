import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  isPlaceholder,
  isPlaceholderHost,
  isPlaceholderUsername,
  isUnfilled,
  unquoted,
} from '../../src/http/placeholder.ts'

t.test(
  'what a program prints for nothing, or a template that nobody filled, is no value',
  async (t) => {
    for (const text of [
      '',
      ' ',
      'undefined',
      'Undefined',
      'null',
      'NULL',
      '(null)',
      'None',
      'nil',
      'NaN',
      'n/a',
      '[object Object]',
      '""',
      "''",
      '"undefined"',
      "'null'",
      '-',
      '...',
      '…',
      '****',
      '$CLIENT_ID',
      `$${'{CLIENT_ID}'}`,
      '$(cat client-id)',
      '{{ client_id }}',
      '{client_id}',
      '<consumer key>',
      '[your key]',
      '%CLIENT_ID%',
      '@client.id@',
      '__CLIENT_ID__',
      'process.env.CLIENT_ID',
    ]) {
      t.ok(isUnfilled(text), text)
      t.ok(isPlaceholder(text), text)
    }
  },
)

t.test('an example of a document is no value, either', async (t) => {
  for (const text of [
    'THE_CONSUMER_KEY',
    '3MVG9_THE_CONSUMER_KEY',
    '3MVG9_THE_OTHER_CONSUMER_KEY',
    '3MVG9_OF_THE_DEPLOYER',
    'THE_CONSUMER_SECRET',
    'ITS_SECRET',
    'YOUR_CONSUMER_KEY',
    'your-client-id',
    'your_client_id_here',
    'my-client-secret',
    'consumer key',
    'client_id',
    'CONSUMER_SECRET',
    '3MVG9',
    '3MVG9…',
    '3MVG9...',
    '3MVG9xxxx',
    'xxx',
    'XXXXXXXX', // an input of this test: people leave it in a form
    'changeme',
    'CHANGE-ME',
    'REPLACE_ME',
    'TODO', // an input of this test, too: it marks no work
    'string',
    'insert_your_key_here',
    'paste key here',
    'true',
    'False',
    '"true"',
    'off',
    '0',
    '1',
    '"0"',
    '123',
  ]) {
    t.ok(isPlaceholder(text), text)
  }
})

t.test('keys, secrets and names as people have them are values', async (t) => {
  for (const text of [
    '3MVG9.acme',
    '3MVG9lKcPoNINVBIPJjdw1J9LLM82Hn',
    '3MVG9pRzvMkjMb6lZlt3YjDQwe.5WGTqKXnFvHcIYMJjsLbHTHXvzsK_.ETmjPKC2OGMQUTJ6AMOJSDu_Xz_p',
    'a-secret-of-acme',
    '1955279925675241571',
    'nullable-id',
    'undefined-behaviour-7',
    'key-of-billing',
    'another-secret',
    'none-of-yours-9f2',
  ]) {
    t.notOk(isPlaceholder(text), text)
  }
  const property = fc.property(fc.integer({ min: 8, max: 64 }), (size) => {
    const bytes = randomBytes(size)
    const texts = [
      bytes.toString('base64url'),
      bytes.toString('hex'),
      `3MVG9${bytes.toString('base64url')}`,
    ]
    return texts.every((text) => !isPlaceholder(text))
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('a value in quotation marks is told from one that has them in it', async (t) => {
  for (const text of ['"3MVG9.acme"', "'3MVG9.acme'", ' `3MVG9.acme`\n']) {
    t.equal(unquoted(text), '3MVG9.acme', text)
  }
  for (const text of ['3MVG9.acme', `"3MVG9.acme'`, `o'brien'`, '"', '""']) {
    t.equal(unquoted(text), undefined, text)
  }
})

t.test('usernames', async (t) => {
  for (const text of [
    'undefined@undefined',
    'null@acme.com',
    'billing@undefined',
    'YOUR_USERNAME@acme.com',
    'user@example.com',
    'you@example.com',
    `$${'{USER}'}@acme.com`,
    'username@acme.com',
  ]) {
    t.ok(isPlaceholderUsername(text), text)
  }
  for (const text of [
    'billing@acme.com',
    'test-4fx0v2kq@example.com',
    'user@acme.com.dev',
    'nulla@acme.com',
    '1@acme.com',
    'no@acme.com',
  ]) {
    t.notOk(isPlaceholderUsername(text), text)
  }
})

t.test('hosts', async (t) => {
  for (const host of [
    'undefined.my.salesforce.com',
    'null.my.salesforce.com',
    'YOURDOMAIN.my.salesforce.com',
    'your-domain.my.salesforce.com',
    'MyDomainName.my.salesforce.com',
    'yourcompany.my.salesforce.com',
    'yourInstance.my.salesforce.com',
    'yourdomain--sandbox.sandbox.my.salesforce.com',
    'acme--undefined.sandbox.my.salesforce.com',
  ]) {
    t.ok(isPlaceholderHost(host), host)
  }
  for (const host of [
    'acme.my.salesforce.com',
    'acme--uat.sandbox.my.salesforce.com',
    'orgfarm-1a2b3c-dev-ed.develop.my.salesforce.com',
    'mydomain-corp.my.salesforce.com',
    'xn--bcher-kva.my.salesforce.com',
    'login.salesforce.com',
    'localhost',
    '127.0.0.1',
  ]) {
    t.notOk(isPlaceholderHost(host), host)
  }
})
