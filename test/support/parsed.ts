/**
 * JSON or YAML that a test reads from outside: answers, and objects of Kubernetes. Its members are as many
 * as there are routes and kinds, a test asserts those that it reads, and the schemas are tested elsewhere
 * (`answer-watch.ts`, `test/chart/render.test.ts`). With `unknown`, each test would state a type that
 * nothing checks.
 */
// biome-ignore lint/suspicious/noExplicitAny: tests assert the members that they read, and nothing would check a type that they state
export type Parsed = any
