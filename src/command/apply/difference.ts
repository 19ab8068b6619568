/** What a definition changes of an integration, member by member. Pure. */
import { withoutControls } from '../terminal.ts'
import { mappingIn } from './documents.ts'

type Members = Readonly<Record<string, unknown>>

export interface MemberChange {
  /** As in `grant.username`. */
  readonly member: string
  readonly from: unknown
  readonly to: unknown
}

/** What the broker takes where a definition is silent. A test compares them with an integration that says nothing. */
export const DEFINITION_DEFAULTS: Members = {
  description: '',
  enabled: true,
  labels: {},
  token_lifetime: 900,
  keep_warm: false,
  watch: true,
  logins_per_hour: 120,
  serve_tokens: true,
  exchange_login_urls: [],
}

/** Members of an answer that nobody writes, and one that the broker derives. */
const READ_ONLY = [
  'name',
  'managed_by',
  'created_at',
  'updated_at',
  'status',
  'normalized',
  'warnings',
]

/** The members of an answer that a definition can have. */
export const writableIn = (integration: object): Members =>
  Object.fromEntries(Object.entries(integration).filter(([name]) => !READ_ONLY.includes(name)))

/** Undefined as `from`: it is new. Undefined as `to`: the broker decides. */
export function changesBetween(current: Members, wanted: Members): readonly MemberChange[] {
  const { credential: _, certificate_deployment: former, ...rest } = wanted
  const named = former === undefined ? rest : { deployment: former, ...rest }
  const { credential: __, ...before } = current
  const names = new Set([...Object.keys(before), ...Object.keys(named)])
  return [...names].flatMap((name) => {
    const isSilent = !(name in named)
    // The broker completes them from other members.
    if (isSilent && !(name in DEFINITION_DEFAULTS) && isDerived(name)) return []
    return changesIn(name, before[name], isSilent ? DEFINITION_DEFAULTS[name] : named[name])
  })
}

const isDerived = (name: string) => name === 'identity' || name === 'refresh_token_idle_days'

/** Members that the broker adds to a nested value, such as the default of a grant, are no change. */
function changesIn(member: string, from: unknown, to: unknown): readonly MemberChange[] {
  const [before, after] = [mappingIn(from), mappingIn(to)]
  if (!before || !after || member === 'labels') {
    return same(from, to) ? [] : [{ member, from, to }]
  }
  return Object.keys(after).flatMap((name) =>
    changesIn(`${member}.${name}`, before[name], after[name]),
  )
}

function same(one: unknown, other: unknown): boolean {
  const [a, b] = [mappingIn(one), mappingIn(other)]
  if (a && b) {
    const names = [...new Set([...Object.keys(a), ...Object.keys(b)])]
    return names.every((name) => same(a[name], b[name]))
  }
  if (typeof one === 'string' && typeof other === 'string') {
    return one.replace(/\/$/, '') === other.replace(/\/$/, '')
  }
  return JSON.stringify(one) === JSON.stringify(other)
}

const shown = (value: unknown) => (value === undefined ? 'none' : JSON.stringify(value))

export function changeText({ member, from, to }: MemberChange): string {
  const change = from === undefined ? `: ${shown(to)}` : `: ${shown(from)} → ${shown(to)}`
  const [mark, text] =
    from === undefined
      ? ['+', change]
      : to === undefined
        ? ['-', `: ${shown(from)}`]
        : ['~', change]
  return withoutControls(`${mark} ${member}${text}`)
}
