import { claimed, key, type Misconfiguration } from './misconfiguration.ts'
import { mintByAssertion, mintBySecret } from './requester.ts'

/** What may be wrong with an org, a user, or what a user may do. */
export const USER_MISCONFIGURATIONS: readonly Misconfiguration[] = [
  {
    what: 'an unknown username',
    error: 'invalid_grant',
    description: "user hasn't approved this consumer",
    request: claimed({ sub: 'nobody@acme.com' }),
  },
  {
    what: 'an inactive org',
    error: 'invalid_grant',
    description: 'inactive organization',
    request({ simulator, jwt }) {
      simulator.updateOrg(simulator.acme.id, { active: false })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'an inactive user',
    error: 'invalid_grant',
    description: 'inactive user',
    request({ simulator, jwt }) {
      simulator.updateUser(jwt.username, { state: 'inactive' })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'a frozen user',
    error: 'invalid_grant',
    description: 'inactive user',
    request({ simulator, service }) {
      simulator.updateUser(service.username, { state: 'frozen' })
      return mintBySecret(service)
    },
  },
  {
    what: 'a locked user',
    error: 'invalid_grant',
    description: 'user is locked',
    request({ simulator, jwt }) {
      simulator.updateUser(jwt.username, { state: 'locked' })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'a login from outside the ranges of its user',
    error: 'invalid_grant',
    description: 'ip restricted',
    request({ simulator, jwt }) {
      simulator.updateUser(jwt.username, { loginIpRanges: ['203.0.113.0/24'] })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'the same in the words of the documentation',
    error: 'invalid_grant',
    description: 'ip restricted or invalid login hours',
    request({ simulator, jwt }) {
      simulator.configure({ restrictionWording: 'combined' })
      simulator.updateUser(jwt.username, { loginIpRanges: ['203.0.113.0/24'] })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'a login outside the hours of its user',
    error: 'invalid_grant',
    description: 'invalid login hours',
    request({ simulator, jwt }) {
      simulator.updateUser(jwt.username, { loginHours: { from: 0, to: 0 } })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'more logins than an hour has',
    error: 'invalid_grant',
    description: 'login rate exceeded',
    async request({ simulator, jwt }) {
      simulator.configure({ loginsPerHour: 2 })
      await mintByAssertion(jwt, key)
      await mintByAssertion(jwt, key)
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'a user who is not assigned, with an assertion',
    error: 'invalid_grant',
    description: "user hasn't approved this consumer",
    request({ simulator, jwt }) {
      simulator.updateApp(jwt.clientId, { approvedUsernames: [] })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'a user who never approved by hand',
    error: 'invalid_grant',
    description: "user hasn't approved this consumer",
    request({ simulator, jwt }) {
      simulator.updateApp(jwt.clientId, { permittedUsers: 'self_authorize', approvedUsernames: [] })
      return mintByAssertion(jwt, key)
    },
  },
  {
    what: 'a user who is not assigned, with client credentials',
    error: 'invalid_app_access',
    description: 'user is not admin approved to access this app',
    request({ simulator, service }) {
      simulator.updateApp(service.clientId, { approvedUsernames: [] })
      return mintBySecret(service)
    },
  },
]
