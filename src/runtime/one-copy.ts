/** One copy of equal texts in memory. */

/** A name of an object's member exists once in the process, and only while something refers to it. */
const names: Record<string, true> = Object.create(null)

/** The one copy of this text. It keeps no longer text alive that this one was a part of. For short texts that live long and that many records repeat: names, ids, URLs. */
export function oneCopyOf(text: string): string {
  names[text] = true
  const [name = text] = Object.keys(names)
  delete names[text]
  return name
}

/** Replaces each text in a tree of plain objects by its one copy, in place, and empty objects and lists by one of them. Nobody sees a difference. Returns the tree. */
export function withSharedTexts<Tree extends object>(tree: Tree): Tree {
  for (const [name, value] of Object.entries(tree)) {
    if (typeof value === 'string') Reflect.set(tree, name, oneCopyOf(value))
    else if (value !== null && typeof value === 'object') {
      if (isEmpty(value)) Reflect.set(tree, name, Array.isArray(value) ? NO_ITEMS : NO_MEMBERS)
      else withSharedTexts(value)
    }
  }
  return tree
}

const NO_ITEMS: readonly never[] = Object.freeze([])
const NO_MEMBERS = Object.freeze({})

/** A secret has no members that can be seen, and is not replaced. */
const isEmpty = (value: object): boolean =>
  (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype) &&
  Object.keys(value).length === 0
