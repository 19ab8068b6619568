/** Somebody who knows Salesforce's Setup and this API, and nothing else: does what an answer says, and only that. */
import type { AppChanges } from '../../simulator/apps.ts'
import type { AppSeed } from '../../simulator/handle.ts'
import type { UserChanges } from '../../simulator/orgs.ts'
import type { Answer, Call } from '../support/caller.ts'
import { type Definition, PROPAGATION_MS, type World } from './salesforce-world.ts'

/** As the doctor's report has it. */
interface Advice {
  readonly check: string
  readonly ok: boolean
  readonly outcome: string
  readonly remedy: string
  readonly refusal?: { readonly remedy: string; readonly setup_path: string | null }
}

export interface Newcomer {
  /** Tests, obeys, waits, and tests again; what was advised, in order. Throws where an advice says nothing that can be done. */
  mend(): Promise<readonly string[]>
}

export interface NewcomerDependencies {
  readonly world: World
  readonly name: string
  /** The app that a colleague made, if there is one. */
  readonly app: AppSeed
}

/** How often one tries before one asks somebody. */
const TRIES = 4

export function createNewcomer({ world, name, app }: NewcomerDependencies): Newcomer {
  const { simulator, broker, pass } = world
  const path = `/integrations/${name}`
  const call: Call = broker.call
  let current = app

  const page = () =>
    simulator.apps().find(({ clientId }) => clientId === current.clientId) ?? current
  const inApp = (changes: AppChanges) => async () => simulator.updateApp(current.clientId, changes)
  const inUser = (changes: UserChanges) => async () =>
    simulator.updateUser(current.username, changes)

  /** A change that is answered with a problem is sent again as its page says. */
  const patch = async (body: Definition): Promise<void> => {
    const headers = { 'if-match': '*' }
    const first = await call('PATCH', path, { body, headers })
    if (first.status === 200) return
    const { body: problem } = await call('GET', first.body.type)
    if (problem.remedy !== 'Send the credential again in the same request.') {
      throw new Error(`nothing to do about ${JSON.stringify(first.body)}`)
    }
    const credential = (await isKey()) ? { generate: {} } : { client_secret: page().clientSecret }
    const second = await call('PATCH', path, { body: { ...body, credential }, headers })
    if (second.status !== 200) throw new Error(JSON.stringify(second.body))
  }

  const credentials = async () => (await call('GET', `${path}/credentials`)).body.items
  const isKey = async () => (await credentials())[0]?.type === 'certificate'

  const upload = async (where = `${path}/credentials`): Promise<void> => {
    const from = where.endsWith('/certificate')
      ? where
      : `${where}/${(await credentials())[0].id}/certificate`
    const { body } = await call('GET', from)
    simulator.updateApp(current.clientId, { certificatePem: body })
  }

  /** The setup sheet from its first step to its last, as far as it says what to send. */
  const followSheet = async (): Promise<void> => {
    const { body: sheet } = await call('GET', `${path}/setup`)
    if (sheet.missing[0] === 'credential' && sheet.certificate === null) {
      const fields = sheet.steps.flatMap((step: { fields: object[] }) => step.fields)
      const wanted = fields.find((one: { field: string }) => one.field === `PATCH ${path}`)
      return patch(JSON.parse(wanted.value))
    }
    const { body: certificatePem } = await call('GET', sheet.certificate.path)
    current = simulator.addJwtApp({ certificatePem })
    const { method, headers, body } = sheet.write_back
    body.grant.client_id = current.clientId
    await call(method, sheet.write_back.path, { body, headers })
  }

  const rotate = async (): Promise<void> => {
    const staged = await call('POST', `${path}/credentials`, { body: { generate: {} } })
    await upload(`${path}/credentials/${staged.body.id}/certificate`)
    pass(PROPAGATION_MS)
    await call('POST', `${path}/credentials/${staged.body.id}/activate`)
  }

  const proveAnew = async () =>
    (await isKey()) ? upload() : patch({ credential: { client_secret: page().clientSecret } })

  const copyMyDomain = () => patch({ login_url: page().loginUrl })

  /** What stands on a page of Setup, or in a sentence of an answer, and what one does there. The first that fits. */
  const DEEDS: readonly (readonly [RegExp, (...found: string[]) => Promise<unknown>])[] = [
    [new RegExp(`See GET ${path}/setup`), followSheet],
    [/^Stage a new key with its certificate, and upload the certificate/, rotate],
    [/^Set enabled to true/, () => patch({ enabled: true })],
    [
      /^Set login_url to (http\S+?),?(?: and grant\.audience to (\S+?),)? if that is/,
      (loginUrl, audience) =>
        patch({ login_url: loginUrl, ...(audience !== undefined && { grant: { audience } }) }),
    ],
    [/^Set grant\.audience to (\S+), if/, (audience) => patch({ grant: { audience } })],
    [/Current My Domain URL/, copyMyDomain],
    [/Client Credentials Flow → Run As/, inApp({ runAsUsername: current.username })],
    [/Enable Client Credentials Flow/, inApp({ clientCredentialsFlow: true })],
    [/Select Profiles/, inApp({ approvedUsernames: [current.username] })],
    [/Connected Apps OAuth Usage → Unblock/, inApp({ blocked: false })],
    [/Active, Unfreeze/, inUser({ state: 'active' })],
    [/Login IP Ranges/, inApp({ ipPolicy: 'relax' })],
    [/Consumer Key and Secret|Use digital signatures/, proveAnew],
    [/Security → Require PKCE/, inApp({ pkceRequired: false })],
    [
      /OAuth Scopes.* revoke the token/,
      async () => {
        simulator.updateApp(current.clientId, { scopes: ['api', 'refresh_token'] })
        await call('DELETE', `/tokens/${name}`)
      },
    ],
  ]

  const obey = async (advice: Advice): Promise<void> => {
    for (const [pattern, deed] of DEEDS) {
      const found = pattern.exec(advice.remedy)
      if (found) {
        await deed(...found.slice(1))
        return
      }
    }
    throw new Error(`nothing that can be done: ${JSON.stringify(advice)}`)
  }

  return {
    async mend() {
      const advised: string[] = []
      for (let tries = 0; tries < TRIES; tries += 1) {
        const { body: report }: Answer = await call('POST', `${path}/test`)
        const advice = report.checks.find(({ ok }: Advice) => !ok) as Advice | undefined
        if (advice === undefined) return advised
        advised.push(advice.check)
        await obey(advice)
        pass(PROPAGATION_MS)
      }
      throw new Error(`still ill after ${advised.join(', ')}`)
    },
  }
}
