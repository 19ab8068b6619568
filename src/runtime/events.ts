/** Typed events between the parts of one process. Each folder declares the events that it emits. */

/** Must neither throw nor reject, because the event has already happened. */
type Listener<Payload> = (payload: Payload) => void | Promise<void>

/** `Payloads`: the payload of each event by its name. */
export interface Events<Payloads> {
  on<Name extends keyof Payloads>(name: Name, listener: Listener<Payloads[Name]>): void
  /** Calls all listeners in the order of registration, then returns. */
  emit<Name extends keyof Payloads>(name: Name, payload: Payloads[Name]): void
  /** The same, and resolves when the promises of all listeners are fulfilled. */
  emitted<Name extends keyof Payloads>(name: Name, payload: Payloads[Name]): Promise<void>
}

export type Emitter<Payloads> = Pick<Events<Payloads>, 'emit' | 'emitted'>

export function createEvents<Payloads>(): Events<Payloads> {
  const listeners: { [Name in keyof Payloads]?: Listener<Payloads[Name]>[] } = {}
  return {
    on(name, listener) {
      listeners[name] = [...(listeners[name] ?? []), listener]
    },
    emit(name, payload) {
      for (const listener of listeners[name] ?? []) void listener(payload)
    },
    async emitted(name, payload) {
      await Promise.all((listeners[name] ?? []).map((listener) => listener(payload)))
    },
  }
}
