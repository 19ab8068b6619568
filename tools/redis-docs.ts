import { CAUSES } from '../src/store/redis-connection/cause.ts'

/** The sections of `docs/redis.md`. */
export const renderCauses = (): string =>
  Object.entries(CAUSES)
    .map(([cause, { says, remedy }]) => `### ${cause}\n\nRedis at HOST:PORT: ${says}.\n${remedy}`)
    .join('\n\n')
