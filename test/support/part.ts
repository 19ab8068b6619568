/** A dependency with those members alone that the code under test uses in this case; each has the type of the whole. */
export const partOf = <Whole extends object>(part: Partial<Whole>): Whole => part as Whole
