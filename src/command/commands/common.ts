/** Operands and options that several commands have. */
export const NAME = { name: 'NAME', completes: 'integration' } as const
export const NAMES = { ...NAME, isList: true } as const
export const JSON_OPTION = { flags: '--json', summary: 'print JSON' } as const
