import t from 'tap'
import { certificateFilesOf } from '../../src/setup/certificate-files.ts'
import { credential, GRANTS, integration, PEM } from './fixture.ts'

const options = { app: 'Billing_App', settings: 'Billing_App_glbloauth', publicUrl: undefined }
const PATH = 'extlClntAppGlobalOauthSets/Billing_App_glbloauth.ecaGlblOauth'

t.test('one file and its manifest, in the format of the Metadata API', async (t) => {
  const files = certificateFilesOf(integration(), credential('k2', 'staged'), options)
  t.same(Object.keys(files).sort(), [PATH, 'package.xml'])
  t.match(files['package.xml'], '<members>Billing_App_glbloauth</members>')
  t.match(files['package.xml'], '<name>ExtlClntAppGlobalOauthSettings</name>')
  const settings = files[PATH] ?? ''
  t.match(settings, `<certificate>${PEM.trim()}</certificate>`)
  t.match(settings, '<externalClientApplication>Billing_App</externalClientApplication>')
  t.match(settings, /<callbackUrl>https:\/\/.+<\/callbackUrl>/)
})

t.test('nothing in it changes the consumer, or holds a secret', async (t) => {
  const { [PATH]: settings = '' } = certificateFilesOf(
    integration(),
    credential('k2', 'staged'),
    options,
  )
  t.notMatch(settings, /<consumer(Key|Secret)>|PRIVATE KEY/)
  t.match(settings, '<shouldRotateConsumerKey>false<')
  t.match(settings, '<shouldRotateConsumerSecret>false<')
})

t.test('the client credentials flow stays on where the integration lives by it', async (t) => {
  for (const [grant, isOn] of [
    [GRANTS.jwt_bearer, false],
    [GRANTS.private_key_jwt, true],
  ] as const) {
    const files = certificateFilesOf(integration({ grant }), credential('k2', 'staged'), options)
    t.match(files[PATH], `<isClientCredentialsFlowEnabled>${isOn}<`)
  }
})
