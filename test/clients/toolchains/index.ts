/** The toolchains of the clients. */
import type { ToolchainName } from '../client-row.ts'
import { GO } from './go.ts'
import { javaToolchain } from './java.ts'
import { NODE } from './node.ts'
import { PYTHON } from './python.ts'
import { RUST } from './rust.ts'
import { SF } from './sf.ts'
import type { Toolchain } from './toolchain.ts'

export const TOOLCHAINS: Readonly<Record<ToolchainName, Toolchain>> = {
  node: NODE,
  python: PYTHON,
  go: GO,
  nimbus: javaToolchain('nimbus', 'Nimbus'),
  spring: javaToolchain('spring', 'Spring'),
  rust: RUST,
  sf: SF,
  camel: javaToolchain('camel', 'Camel'),
  wsc: javaToolchain('soap-wsc', 'SoapWsc'),
}
