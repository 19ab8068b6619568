/** One step of a setup. */
export interface SetupStep {
  readonly title: string
  readonly where: string | null
  readonly fields: readonly Field[]
}

export interface Field {
  readonly section: string
  readonly field: string
  readonly value: string
  readonly why?: string
}
