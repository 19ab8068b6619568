import type { Clock } from './clock.ts'
import { newDeviceCode, newUserCode } from './identifiers.ts'
import { Refused } from './refusals.ts'
import type { Settings } from './settings.ts'

/** Devices that wait for a person to enter their code on another screen (protocol, section 3.3). A device that polls too fast gets `slow_down`, and must wait 5 seconds longer from then on. */
export interface DeviceCodes {
  issue(request: DeviceRequest): DeviceCode
  /** Finds a waiting device by the entered code. Ignores case and hyphens. */
  findWaiting(userCode: string): DeviceCode | undefined
  decide(userCode: string, decision: DeviceDecision): void
  /** Returns the approval once. Throws `Refused` before and after that. */
  poll(deviceCode: string, appId: string): DeviceRequest & { readonly userId: string }
}

interface DeviceRequest {
  readonly appId: string
  readonly orgId: string
  readonly scopes: readonly string[]
}

export interface DeviceCode extends DeviceRequest {
  readonly deviceCode: string
  readonly userCode: string
  readonly intervalMs: number
}

type DeviceDecision =
  | { readonly allowed: true; readonly userId: string }
  | { readonly allowed: false }

interface Waiting extends DeviceCode {
  readonly endsAt: number
  readonly polledAt: number | undefined
  readonly decision: DeviceDecision | undefined
  readonly isUsed: boolean
}

interface DeviceCodesDependencies {
  readonly clock: Clock
  readonly settings: () => Settings
}

/** RFC 8628, section 3.5. */
const SLOWER_MS = 5_000

export function createDeviceCodes({ clock, settings }: DeviceCodesDependencies): DeviceCodes {
  const devices = new Map<string, Waiting>()
  const put = (device: Waiting) => devices.set(device.deviceCode, device)

  const findWaiting = (userCode: string) => {
    const entered = userCode.replace(/[\s-]/g, '').toUpperCase()
    return [...devices.values()].find(
      (device) =>
        device.userCode === entered && device.decision === undefined && clock.now() < device.endsAt,
    )
  }

  return {
    issue(request) {
      const device: Waiting = {
        ...request,
        deviceCode: newDeviceCode(),
        userCode: newUserCode(),
        intervalMs: settings().deviceIntervalMs,
        endsAt: clock.now() + settings().deviceCodeLifetimeMs,
        polledAt: undefined,
        decision: undefined,
        isUsed: false,
      }
      put(device)
      return device
    },
    findWaiting,
    decide(userCode, decision) {
      const device = findWaiting(userCode)
      if (device === undefined) throw new Error('No device waits with this code')
      put({ ...device, decision })
    },
    poll(deviceCode, appId) {
      const device = devices.get(deviceCode)
      if (device === undefined || device.appId !== appId) throw new Refused('code_invalid')
      const now = clock.now()
      if (device.isUsed || now >= device.endsAt) throw new Refused('assertion_expired')
      if (device.polledAt !== undefined && now - device.polledAt < device.intervalMs) {
        put({ ...device, polledAt: now, intervalMs: device.intervalMs + SLOWER_MS })
        throw new Refused('slow_down')
      }
      put({ ...device, polledAt: now })
      if (device.decision === undefined) throw new Refused('authorization_pending')
      put({ ...device, isUsed: true })
      if (!device.decision.allowed) throw new Refused('access_denied')
      return { ...device, userId: device.decision.userId }
    },
  }
}
