import { type Answer, jsonAnswer } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import { restError } from '../rest-refusals.ts'

/** Queries that are answered without a record. Undefined: the query asks for records. */
export function answerQueryForm({ query }: Exchange): Answer | undefined {
  const soql = query.get('q') ?? ''
  const [, list = '', object = ''] = /^SELECT (.+?) FROM (\w+)/i.exec(soql) ?? []
  if (DEV_HUB_OBJECTS.includes(object)) return unknownObject(soql, object)
  // Salesforce's CLI asks for the columns before the records.
  return query.get('columns') === 'true' ? jsonAnswer(200, columnsOf(list, object)) : undefined
}

/** Objects that an org has only if it is a Dev Hub. */
const DEV_HUB_OBJECTS = ['ScratchOrgInfo', 'ActiveScratchOrg']

function unknownObject(soql: string, object: string): Answer {
  const column = soql.indexOf(object) + 1
  return restError(
    400,
    'INVALID_TYPE',
    `\n${soql}\n${' '.repeat(column - 1)}^\nERROR at Row:1:Column:${column}\nsObject type '${object}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.`,
  )
}

function columnsOf(list: string, object: string) {
  return {
    columnMetadata: list.split(/, */).map((name) => ({
      aggregate: false,
      apexType: name === 'Id' ? 'Id' : 'String',
      booleanType: false,
      columnName: name,
      custom: false,
      displayName: name,
      foreignKeyName: null,
      insertable: false,
      joinColumns: [],
      numberType: false,
      textType: true,
      updatable: false,
    })),
    entityName: object,
    groupBy: false,
    idSelected: /\bId\b/i.test(list),
    keyPrefix: null,
  }
}
