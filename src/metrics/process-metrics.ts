/** What every process of Node says of itself: `process_*` and `nodejs_*`, by their usual names. */

/** The text of one scrape. The library is loaded with the first: start-up time is time without a replica. */
export function createProcessMetrics(): () => Promise<string> {
  let registry: Promise<{ metrics(): Promise<string> }> | undefined
  return async () => {
    registry ??= load()
    return (await registry).metrics()
  }
}

/** In a registry of its own: the global one of the library belongs to nobody. */
async function load() {
  const { collectDefaultMetrics, Registry } = await import('prom-client')
  const register = new Registry()
  collectDefaultMetrics({ register })
  return register
}
