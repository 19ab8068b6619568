import type { Answer } from '../answer.ts'
import { DECISIONS, decided, userField } from '../consent.ts'
import type { DeviceCode } from '../device-codes.ts'
import type { Exchange } from '../exchange.ts'
import { type Page, pageAnswer } from '../page.ts'
import { REFUSALS, Refused } from '../refusals.ts'
import type { World } from '../world.ts'

/** `/setup/connect`: a person enters the code of a device, and allows or denies it (protocol, section 3.3). */
export function answerConnect(exchange: Exchange, world: World): Answer {
  const entered = exchange.form?.get('user_code') ?? exchange.query.get('user_code') ?? ''
  if (entered === '') return pageAnswer(200, entryPage(''))
  const device = world.deviceCodes.findWaiting(entered)
  if (device === undefined) {
    return pageAnswer(400, entryPage('This code isn’t valid. Check it, or start again.'))
  }
  if (exchange.form?.has('decision') && exchange.form.get('decision') !== 'next') {
    return decide(device, exchange, world)
  }
  return pageAnswer(200, consentPage(device, world))
}

function decide(device: DeviceCode, { form }: Exchange, world: World): Answer {
  const org = world.directory.org(device.orgId)
  const { configuration } = appOf(device, world)
  try {
    const user = decided(form, { org, configuration: configuration.latest() }, world)
    world.deviceCodes.decide(device.userCode, { allowed: true, userId: user.id })
    return pageAnswer(200, {
      title: 'You’re connected',
      paragraphs: ['Go back to your device.'],
    })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    world.deviceCodes.decide(device.userCode, { allowed: false })
    const { errorDescription } = REFUSALS[error.refusal]
    return pageAnswer(200, { title: 'Access denied', paragraphs: [errorDescription] })
  }
}

function appOf({ appId }: DeviceCode, world: World) {
  const app = world.apps.all().find(({ id }) => id === appId)
  if (app === undefined) throw new Error('The app of a device is gone')
  return app
}

function entryPage(problem: string): Page {
  return {
    title: 'Connect your device',
    paragraphs: ['Enter the code displayed on your device.', ...(problem ? [problem] : [])],
    form: {
      action: '/setup/connect',
      fields: [{ kind: 'text', name: 'user_code', label: 'Code', value: '' }],
      decisions: [{ value: 'next', label: 'Connect' }],
    },
  }
}

function consentPage(device: DeviceCode, world: World): Page {
  const { name } = appOf(device, world)
  const org = world.directory.org(device.orgId)
  return {
    title: `Allow access to ${name}?`,
    paragraphs: [`${name} is asking for access to ${org.myDomain}:`],
    list: device.scopes,
    form: {
      action: '/setup/connect',
      fields: [
        { kind: 'hidden', name: 'user_code', value: device.userCode },
        userField(org, world),
      ],
      decisions: DECISIONS,
    },
  }
}
