/** The login URL that somebody probably means who gives another address of the same org: a page, Setup, Visualforce, content, an endpoint. Pure. */

const ADDRESS = /^(?:https?:\/\/)?([a-z0-9.-]+?)\.?(?::[0-9]{1,5})?(\/[^?#]*)?(?:[?#].*)?$/i

/** Kinds of orgs that have a label of their own before the suffix, as in `acme--uat.sandbox.my.salesforce.com`. */
const PARTITIONS = 'sandbox|scratch|develop|demo|free|patch|stage|trailblaze'
/** A My Domain name with its sandbox's, and the label of its kind. */
const ORG = `(?<org>[a-z0-9-]+)(?:\\.(?<partition>${PARTITIONS}))?`
/** Old hosts name the server that the org was on. */
const INSTANCE = '(?:\\.[a-z]{2,4}[0-9]+s?)?'

/**
 * Suffixes of hosts that serve an org, and where that org logs in. `package`: the name of the org is
 * followed by that of a package, as in `acme--c.vf.force.com`.
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
/** Of a site: where its own path ends. */
const PAGES = /\/(?:s|login|services|_ui|secur|idp|vforcesite)(?:\/.*)?$/

/** Undefined: nothing is likely. What is given has to be checked like any other login URL. */
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

/** Undefined: the org has no name in it, as in `c.na1.visual.force.com`. */
function withoutPackage(org: string): string | undefined {
  const end = org.lastIndexOf('--')
  return end > 0 ? org.slice(0, end) : undefined
}
