// Made by `npm run generate` from openapi.yaml.

import type {
  BegunConnection,
  Connection,
  ConnectionToBegin,
  Credential,
  CredentialList,
  Deployment,
  StagedCredential,
} from './credentials.ts'
import type { CertificateRequest, KeyReference, KeyToMake, SecretOfAVault } from './forms.ts'

export interface CredentialsOperations {
  /** The credentials of an integration and their states. */
  readonly listCredentials: {
    readonly path: { readonly name: string }
    readonly answer: CredentialList
  }
  /** Stage a credential beside the active one. */
  readonly stageCredential: {
    readonly path: { readonly name: string }
    readonly body:
      | {
          readonly generate: KeyToMake
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          readonly csr: CertificateRequest
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          readonly private_key: string | SecretOfAVault
          readonly certificate?: string | SecretOfAVault
          readonly passphrase?: string | SecretOfAVault
          /** For the grant `refresh_token`. From now on, no other program may use this token. */
          readonly refresh_token?: string
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          readonly keystore: string | SecretOfAVault
          readonly passphrase: string | SecretOfAVault
          /** Alias of the key in the keystore. Required if there are several keys. */
          readonly alias?: string
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          readonly signer: KeyReference
          readonly certificate?: string | SecretOfAVault
          /** For the grant `refresh_token`. From now on, no other program may use this token. */
          readonly refresh_token?: string
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          readonly signer: KeyReference
          readonly generate: KeyToMake
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          readonly signer: KeyReference
          readonly csr: CertificateRequest
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          readonly client_secret: string | SecretOfAVault
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
      | {
          /** For the grant `refresh_token`. From now on, no other program may use this token. */
          readonly refresh_token: string
          readonly client_secret?: string | SecretOfAVault
          /** Consumer key of another app (blue/green). Then only you can activate the credential. */
          readonly client_id?: string
        }
    readonly answer: StagedCredential
  }
  /** The certificate to upload to Salesforce, as PEM. */
  readonly getCertificate: {
    readonly path: { readonly name: string; readonly id: string }
    readonly answer: string
  }
  /** Complete a pending credential with the certificate that a CA signed. */
  readonly certifyCredential: {
    readonly path: { readonly name: string; readonly id: string }
    readonly body: string
    readonly answer: StagedCredential
  }
  /** Upload its certificate to Salesforce, or let Salesforce generate the secret, prove it, and make it active. */
  readonly deployCredential: {
    readonly path: { readonly name: string; readonly id: string }
    readonly answer: Deployment
  }
  /** The progress of its deployment to Salesforce. */
  readonly getDeployment: {
    readonly path: { readonly name: string; readonly id: string }
    readonly answer: Deployment
  }
  /** Prove a staged or retired credential with a real mint, and make it active. */
  readonly activateCredential: {
    readonly path: { readonly name: string; readonly id: string }
    readonly body: {
      /** False skips the real mint before the activation. */
      readonly prove?: boolean
    } | null
    readonly answer: Credential
  }
  /** One credential and its state. */
  readonly getCredential: {
    readonly path: { readonly name: string; readonly id: string }
    readonly answer: Credential
  }
  /** Erase a pending, staged or retired credential. */
  readonly deleteCredential: {
    readonly path: { readonly name: string; readonly id: string }
    readonly answer: undefined
  }
  /** Begin to connect an integration: a person at Salesforce allows it, and it gets a refresh token. */
  readonly connectIntegration: {
    readonly path: { readonly name: string }
    readonly body: ConnectionToBegin
    readonly answer: BegunConnection
  }
  /** The progress of a connection. */
  readonly getConnection: {
    readonly path: { readonly name: string; readonly id: string }
    readonly answer: Connection
  }
  /** Disconnect an integration: delete its refresh token, and revoke it at Salesforce. */
  readonly disconnectIntegration: {
    readonly path: { readonly name: string }
    readonly answer: undefined
  }
}
