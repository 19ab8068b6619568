/** Which traces are kept, by the names of OpenTelemetry. `parentbased_…`: where a caller has decided, as it decided. */
export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

export type SamplerName = (typeof SAMPLERS)[number]
