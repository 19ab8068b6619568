/**
 * A job as users write it today: each run makes a connection with jsforce, and asks Salesforce for
 * a token. Fair to it: the module is loaded once for all runs, and Salesforce is the simulator on
 * loopback, which answers in a millisecond where the real one takes some hundred.
 */
import jsforce from 'jsforce'

export interface JsforceApp {
  readonly loginUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

/** The token. */
export async function runJsforceJob(app: JsforceApp): Promise<string> {
  const connection = new jsforce.Connection({ oauth2: app })
  await connection.authorize({ grant_type: 'client_credentials' })
  const { accessToken } = connection
  if (!accessToken) throw new Error('jsforce got no token')
  return accessToken
}
