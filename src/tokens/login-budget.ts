/** How many logins an integration may cost: Salesforce locks a user out who logs in too often. */
import type { Integration } from '../integrations/integration.ts'

export const HOUR_MS = 3_600_000

export const loginBudgetKey = ({ uid }: Pick<Integration, 'uid'>): string => `login:${uid}`
