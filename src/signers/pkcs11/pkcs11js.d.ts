/** The part of the optional package `pkcs11js` that this service uses. It need not be installed. */
declare module 'pkcs11js' {
  type Handle = Buffer

  interface Attribute {
    readonly type: number
    readonly value?: number | boolean | string | Buffer
  }

  class PKCS11 {
    load(path: string): void
    C_Initialize(options?: { readonly flags?: number }): void
    C_Finalize(): void
    C_GetSlotList(tokenPresent?: boolean): Handle[]
    C_GetTokenInfo(slot: Handle): { readonly label: string; readonly flags: number }
    C_GetMechanismList(slot: Handle): number[]
    C_OpenSession(slot: Handle, flags: number): Handle
    C_CloseSession(session: Handle): void
    C_Login(session: Handle, userType: number, pin?: string): void
    C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void
    C_FindObjects(session: Handle, most: number): Handle[]
    C_FindObjectsFinal(session: Handle): void
    C_GetAttributeValue(
      session: Handle,
      object: Handle,
      template: readonly Attribute[],
    ): { readonly type: number; readonly value: Buffer }[]
    C_SignInit(session: Handle, mechanism: { readonly mechanism: number }, key: Handle): void
    C_SignAsync(session: Handle, data: Buffer, signature: Buffer): Promise<Buffer>
  }

  interface Pkcs11Js {
    readonly PKCS11: typeof PKCS11
  }

  const pkcs11js: Pkcs11Js
  export default pkcs11js
}
