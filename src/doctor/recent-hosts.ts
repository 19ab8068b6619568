/** Caches the results of host checks for a short time, so that repeated tests do not repeat calls to Salesforce. */
import { type DiagnosisCheck, isOk } from './check.ts'

export interface HostFindings {
  readonly checks: readonly DiagnosisCheck[]
  /** False: no token request is possible. */
  readonly isReachable: boolean
}

/** Short enough that nobody waits for it after a repair. */
const MOMENT_MS = 2_000
const HOSTS = 1_000

export function createRecentHosts(now: () => number) {
  const looks = new Map<string, { readonly at: number; readonly found: Promise<HostFindings> }>()

  return {
    /** Returns recent successful results, or calls `look` once for all concurrent requests. */
    findings(loginUrl: string, look: () => Promise<HostFindings>): Promise<HostFindings> {
      const recent = looks.get(loginUrl)
      const ageMs = recent ? now() - recent.at : Number.NaN
      if (recent && ageMs >= 0 && ageMs < MOMENT_MS) return recent.found
      const forget = () => {
        if (looks.get(loginUrl)?.found === found) looks.delete(loginUrl)
      }
      const found = look().then(
        (findings) => {
          if (!findings.checks.every(isOk)) forget()
          return findings
        },
        (error: unknown) => {
          forget()
          throw error
        },
      )
      if (looks.size >= HOSTS) looks.clear()
      looks.set(loginUrl, { at: now(), found })
      return found
    },
  }
}
