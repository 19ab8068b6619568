/** Suggests a login URL for another address of the same org: a page, Setup, Visualforce, content, or an endpoint. */

const ADDRESS = /^(?:https?:\/\/)?([a-z0-9.-]+?)\.?(?::[0-9]{1,5})?(\/[^?#]*)?(?:[?#].*)?$/i

/** Labels before the suffix that name the kind of org, as in `acme--uat.sandbox.my.salesforce.com`. */
const PARTITIONS = 'sandbox|scratch|develop|demo|free|patch|stage|trailblaze'
/** A My Domain name, with the name of a sandbox, and the label of its kind. */
const ORG = `(?<org>[a-z0-9-]+)(?:\\.(?<partition>${PARTITIONS}))?`
/** Old hosts contain the instance of the org. */
const INSTANCE = '(?:\\.[a-z]{2,4}[0-9]+s?)?'

/**
 * Suffixes of hosts that serve an org, and the login host of that org. `package`: the name of a
 * package follows the name of the org, as in `acme--c.vf.force.com`.
 */
const HOSTS: readonly {
  readonly of: readonly string[]
  readonly login: string
  readonly isPackage?: true
}[] = [
  {
    of: [
      'lightning\\.force\\.com',
      'my\\.salesforce-setup\\.com',
      'my\\.salesforce-sites\\.com',
      'my\\.salesforce-scrt\\.com',
      'file\\.force\\.com',
      '(?:builder|preview|live-preview)\\.salesforce-experience\\.com',
    ],
    login: 'my.salesforce.com',
  },
  {
    of: [
      'vf\\.force\\.com',
      'container\\.force\\.com',
      'visual\\.force\\.com',
      'visualforce\\.com',
      'content\\.force\\.com',
      'documentforce\\.com',
    ],
    login: 'my.salesforce.com',
    isPackage: true,
  },
  {
    of: ['lightning\\.crmforce\\.mil', 'my\\.salesforce-setup\\.mil', 'file\\.crmforce\\.mil'],
    login: 'my.salesforce.mil',
  },
  { of: ['vf\\.crmforce\\.mil'], login: 'my.salesforce.mil', isPackage: true },
  { of: ['lightning\\.sfcrmapps\\.cn'], login: 'my.sfcrmproducts.cn' },
]

const RULES = HOSTS.map(({ of, ...rule }) => ({
  ...rule,
  pattern: new RegExp(`^${ORG}${INSTANCE}\\.(?:${of.join('|')})$`),
}))

const SITE = /\.my\.site\.com$/
/** Matches where the path of a site ends. */
const PAGES = /\/(?:s|login|services|_ui|secur|idp|vforcesite)(?:\/.*)?$/

/** Undefined: no suggestion. The result must be checked like any other login URL. */
export function likelyLoginUrl(text: string): string | undefined {
  const [, given, path = ''] = ADDRESS.exec(text.trim().replace(/^["'<]+|["'>]+$/g, '')) ?? []
  if (given === undefined) return undefined
  const host = given.toLowerCase()
  const login = loginHostOf(host)
  if (login !== undefined) return `https://${login}`
  const sitePath = SITE.test(host) ? path.replace(PAGES, '').replace(/\/+$/, '') : ''
  return `https://${host}${sitePath}`
}

function loginHostOf(host: string): string | undefined {
  for (const { pattern, login, isPackage } of RULES) {
    const { org, partition } = pattern.exec(host)?.groups ?? {}
    if (org === undefined) continue
    const name = isPackage ? withoutPackage(org) : org.replace(/--c$/, '')
    if (name === undefined) continue
    const kind = partition ?? (name.includes('--') ? 'sandbox' : undefined)
    return [name, kind, login].filter((label) => label !== undefined).join('.')
  }
  return undefined
}

/** Undefined: the host does not contain the name of the org, as in `c.na1.visual.force.com`. */
function withoutPackage(org: string): string | undefined {
  const end = org.lastIndexOf('--')
  return end > 0 ? org.slice(0, end) : undefined
}
