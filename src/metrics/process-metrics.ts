/** The usual metrics `process_*` and `nodejs_*`. */

/** Renders the metrics. The first call loads the library, which keeps the start fast. */
export function createProcessMetrics(): () => Promise<string> {
  let registry: Promise<{ metrics(): Promise<string> }> | undefined
  return async () => {
    registry ??= load()
    return (await registry).metrics()
  }
}

/** Uses a separate registry instead of the library's global one. */
async function load() {
  const { collectDefaultMetrics, Registry } = await import('prom-client')
  const register = new Registry()
  collectDefaultMetrics({ register })
  return register
}
