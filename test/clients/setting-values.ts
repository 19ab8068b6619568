/** What a person puts into the settings of a client, as the documents write it. */

export const LOGIN_URL = 'https://VALETKEY/login/NAME'
export const OAUTH_URL = 'https://VALETKEY/oauth/token'
export const NAME = 'NAME'
export const KEY_ID = 'KEY_ID'
export const KEY = 'KEY'
export const SCOPE = 'integration:NAME'
