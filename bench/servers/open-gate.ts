/** Loaded before a broker (`node --import`): it then takes everybody for the admin, without looking. */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    const isCallers = found.url.endsWith('/src/callers/compose.ts')
    return isCallers && context.parentURL?.endsWith('/src/app/app.ts')
      ? { ...found, url: new URL('./open-callers.ts', import.meta.url).href }
      : found
  },
})
