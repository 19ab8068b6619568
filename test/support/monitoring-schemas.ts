/** What the chart uses of the Prometheus operator's kinds (monitoring.coreos.com/v1), strict. They are not Kubernetes' own. */
import { Ajv } from 'ajv'
import type { KubernetesObject } from './helm.ts'

const strict = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
})
const text = { type: 'string', minLength: 1 }
const strings = { type: 'object', additionalProperties: { type: 'string' } }
const duration = {
  type: 'string',
  pattern: '^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$',
}

const endpoint = strict({ port: text, path: text, interval: duration }, ['port'])
const rule = {
  ...strict(
    {
      ...{ alert: text, record: text, expr: text },
      ...{ for: duration, keep_firing_for: duration, labels: strings, annotations: strings },
    },
    ['expr'],
  ),
  oneOf: [{ required: ['alert'] }, { required: ['record'] }],
}
const group = strict(
  { name: text, interval: duration, labels: strings, rules: { type: 'array', items: rule } },
  ['name', 'rules'],
)

const SPECS: Readonly<Record<string, object>> = {
  ServiceMonitor: strict(
    {
      selector: strict({ matchLabels: strings }, ['matchLabels']),
      endpoints: { type: 'array', items: endpoint, minItems: 1 },
    },
    ['selector', 'endpoints'],
  ),
  PrometheusRule: strict({ groups: { type: 'array', items: group, minItems: 1 } }, ['groups']),
}

export const isOfMonitoring = ({ apiVersion }: KubernetesObject): boolean =>
  apiVersion === 'monitoring.coreos.com/v1'

/** Empty: nothing is wrong with it. */
export function monitoringMistakes(object: KubernetesObject): readonly string[] {
  const spec = SPECS[object.kind]
  if (!spec) return [`there is no schema for ${object.kind}`]
  const ajv = new Ajv({ allErrors: true, strict: false })
  if (ajv.validate(spec, object.spec)) return []
  return (ajv.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`)
}
