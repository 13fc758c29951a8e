import { readFile } from 'node:fs/promises'
import { eventually } from '@wns-fanout/testing'

/** The option of Node with which a process can be reached by `openInspector`, and its environment. */
export const INSPECT = '--inspect=127.0.0.1:0'
export const inspectable = { NODE_OPTIONS: INSPECT }

/** A connection to the debugger of a process. */
export interface Inspector {
  /** Rejects when the debugger refuses the call, and when the process ends before it answers. */
  call(method: string, params?: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>>
  [Symbol.dispose](): void
}

interface Answer {
  readonly id?: number
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
}

/** Connects to the debugger that a process announced last in its log. */
export async function openInspector(logFile: string): Promise<Inspector> {
  const url = await eventually(
    `the debugger to listen (${logFile})`,
    async () => [...(await readFile(logFile, 'utf8')).matchAll(/ws:\/\/127\.0\.0\.1:\S+/g)].at(-1)?.[0],
    10_000,
  )
  const socket = new WebSocket(url)
  const waiting = new Map<number, PromiseWithResolvers<Readonly<Record<string, unknown>>>>()
  let calls = 0
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', () => reject(new Error(`the debugger at ${url} refused`)), { once: true })
  })
  socket.addEventListener('message', ({ data }) => {
    const { id = 0, result = {}, error } = JSON.parse(String(data)) as Answer
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(result)
    else call?.reject(new Error(`the debugger answered: ${error.message}`))
  })
  socket.addEventListener('close', () => {
    for (const each of waiting.values()) each.reject(new Error('the process ended before its debugger answered'))
    waiting.clear()
  })
  return {
    call(method, params = {}) {
      calls += 1
      const answer = Promise.withResolvers<Readonly<Record<string, unknown>>>()
      waiting.set(calls, answer)
      socket.send(JSON.stringify({ id: calls, method, params }))
      return answer.promise
    },
    [Symbol.dispose]: () => socket.close(),
  }
}
