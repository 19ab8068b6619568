/** Reads the text format of Prometheus, and finds what its own linter would. */

export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly series: readonly Series[]
}

const SAMPLE = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"(?:,|$)/g

/** Throws at a line that is none of the format. */
export function parseExposition(text: string): readonly Family[] {
  const families: { name: string; type: string; help: string; series: Series[] }[] = []
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const help = /^# HELP (\S+) (.+)$/.exec(line)
    const type = /^# TYPE (\S+) (\w+)$/.exec(line)
    const family = families.at(-1)
    if (help) families.push({ name: help[1] ?? '', help: help[2] ?? '', type: '', series: [] })
    else if (type && family && family.name === type[1]) family.type = type[2] ?? ''
    else if (family) family.series.push(parseSample(line))
    else throw new Error(`not in a family: ${line}`)
  }
  return families
}

function parseSample(line: string): Series {
  const [, name = '', inner = '', value = ''] = SAMPLE.exec(line) ?? []
  const labels = [...inner.matchAll(LABEL)]
  const covered = labels.map(([all]) => all).join('')
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
  // The library for the process writes `Nan` before it knows.
  const isNumber = !Number.isNaN(number) || value.toLowerCase() === 'nan'
  if (name === '' || covered !== inner || !isNumber) throw new Error(`no sample: ${line}`)
  return {
    name,
    labels: Object.fromEntries(labels.map(([, key, text]) => [key, unescaped(text ?? '')])),
    value: number,
  }
}

const unescaped = (text: string) =>
  text.replace(/\\(.)/g, (_all, letter) => (letter === 'n' ? '\n' : letter))

/** Units that are not base units, anywhere in a name. */
const NO_BASE_UNIT =
  /(?:^|_)(?:ms|milliseconds?|microseconds?|nanoseconds?|minutes?|days?|kilobytes?|kb|mb|percent)(?:_|$)/

/** What is wrong, in words; nothing where all is well. */
export function lintExposition(families: readonly Family[]): readonly string[] {
  const faults: string[] = []
  const seen = new Set<string>()
  for (const { name, type, help, series } of families) {
    const fault = (what: string) => faults.push(`${name}: ${what}`)
    if (seen.has(name)) fault('is there twice')
    seen.add(name)
    if (help === '') fault('has no help')
    if (!['counter', 'gauge', 'histogram'].includes(type)) fault(`has the type ${type}`)
    if (NO_BASE_UNIT.test(name)) fault('has a unit that is no base unit')
    if (
      /_(?:seconds|bytes)_.*/.test(name) &&
      !/_(?:seconds|bytes)_(?:total|percentile)/.test(name)
    ) {
      fault('has its unit in the middle')
    }
    if ((type === 'counter') !== name.endsWith('_total')) fault('_total is for counters')
    if (/_(?:count|sum|bucket)$/.test(name)) fault('ends like a part of a histogram')
    if (name.includes(type)) fault('has its type in its name')
    const keys = series.map((one) => `${one.name} ${JSON.stringify(one.labels)}`)
    if (new Set(keys).size !== keys.length) fault('has a series twice')
    for (const one of series) {
      const isOwn = type === 'histogram' ? one.name.startsWith(`${name}_`) : one.name === name
      if (!isOwn) fault(`has a series of ${one.name}`)
      if (Number.isNaN(one.value)) fault('has a value that is no number')
      if (type === 'counter' && one.value < 0) fault('counts below zero')
    }
    if (type === 'histogram') faults.push(...bucketFaults(name, series))
  }
  return faults
}

function bucketFaults(name: string, series: readonly Series[]): readonly string[] {
  const groups = Map.groupBy(series, ({ labels: { le: _le, ...labels } }) => JSON.stringify(labels))
  return [...groups].flatMap(([labels, group]) => {
    const buckets = group.filter((one) => one.name === `${name}_bucket`)
    const rising = buckets.every(({ value }, at) => value >= (buckets[at - 1]?.value ?? 0))
    const last = buckets.at(-1)
    const count = group.find((one) => one.name === `${name}_count`)?.value
    const hasSum = group.some((one) => one.name === `${name}_sum`)
    const isSound = rising && last?.labels.le === '+Inf' && last.value === count && hasSum
    return isSound ? [] : [`${name}${labels}: its buckets do not add up`]
  })
}
