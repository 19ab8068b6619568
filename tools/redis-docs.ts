import { CAUSES } from '../src/store/redis-connection/cause.ts'

export const renderCauses = (): string =>
  Object.entries(CAUSES)
    .map(([cause, { says, remedy }]) => `### ${cause}\n\nRedis at HOST:PORT: ${says}.\n${remedy}`)
    .join('\n\n')
