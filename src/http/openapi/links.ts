/** Derives OpenAPI links from the paths, from the operation that creates a resource to the operations on it. */
import { type DescribedApi, mapValues, type Operation } from './derived-problems.ts'

type Links = Readonly<Record<string, object>>

interface Target {
  readonly operationId: string
  readonly path: string
}

/** A name or id in a path. */
const PARAMETER = /\{([^}]+)\}/g
const MADE = ['200', '201']

/**
 * Pure. `PUT` at a path links to the operations at and below it and at the same resource under
 * another path. `POST` with an `id` in the answer links to the operations at that id.
 */
export function withLinks<Api extends DescribedApi>(api: Api): Api {
  const paths = api.paths ?? {}
  const targets = Object.entries(paths).flatMap(([path, operations]) =>
    Object.values(operations).flatMap(({ operationId }) =>
      typeof operationId === 'string' ? [{ operationId, path }] : [],
    ),
  )
  const linked = mapValues(paths, (operations, path) =>
    mapValues(operations, (operation, method) => {
      const links = linksOf(method, path, operation, targets)
      if (Object.keys(links).length === 0) return operation
      const responses = mapValues(operation.responses ?? {}, (response, status) =>
        MADE.includes(status) ? { ...response, links } : response,
      )
      return { ...operation, responses }
    }),
  )
  return { ...api, paths: linked }
}

function linksOf(
  method: string,
  path: string,
  { operationId }: Operation,
  targets: readonly Target[],
): Links {
  const resource = method === 'put' ? path : `${path}/{id}`
  const own = parametersOf(path)
  const reached = targets.filter(
    (target) =>
      target.operationId !== operationId &&
      (method === 'put' || method === 'post') &&
      (isWithin(resource, target.path) || isSame(path, target.path)),
  )
  const sources = (target: Target) =>
    Object.fromEntries(
      parametersOf(target.path).flatMap((name, index) => {
        if (own[index] !== undefined) return [[name, `$request.path.${own[index]}`]]
        return name === 'id' && method === 'post' ? [[name, '$response.body#/id']] : []
      }),
    )
  return Object.fromEntries(
    reached.flatMap((target) => {
      const parameters = sources(target)
      const isWhole = Object.keys(parameters).length === parametersOf(target.path).length
      return isWhole ? [[target.operationId, { operationId: target.operationId, parameters }]] : []
    }),
  )
}

const isWithin = (resource: string, path: string) =>
  path === resource || path.startsWith(`${resource}/`)

/** `/tokens/{integration}` belongs to the resource `/integrations/{name}`. */
const isSame = (path: string, other: string) =>
  parametersOf(other).some((name) => path.replace(PARAMETER, '') === `/${name}s/`)

const parametersOf = (path: string): readonly string[] =>
  [...path.matchAll(PARAMETER)].map(([, name = '']) => name)
