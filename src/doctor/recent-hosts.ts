/** What was found out about login hosts a moment ago: whoever tests in a loop must not bother Salesforce as often. */
import { type DiagnosisCheck, isOk } from './check.ts'

export interface HostFindings {
  readonly checks: readonly DiagnosisCheck[]
  /** False: a token cannot even be asked for. */
  readonly isReachable: boolean
}

export interface RecentHosts {
  /** Good findings of a moment ago; else `look`, once for all who ask meanwhile. */
  findings(loginUrl: string, look: () => Promise<HostFindings>): Promise<HostFindings>
}

/** So short that nobody who mends something waits for it. */
const MOMENT_MS = 2_000
const HOSTS = 1_000

export function createRecentHosts(now: () => number): RecentHosts {
  const looks = new Map<string, { readonly at: number; readonly found: Promise<HostFindings> }>()

  return {
    findings(loginUrl, look) {
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
