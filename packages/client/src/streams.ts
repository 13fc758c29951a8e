import type { Readable } from 'node:stream'
import { createParser } from 'eventsource-parser'

/** The objects of a stream of JSON lines. Throws when the stream breaks off; leaving the loop ends the stream. */
export async function* jsonLines<T>(body: Readable): AsyncGenerator<T> {
  let rest = ''
  body.setEncoding('utf8')
  for await (const piece of body as AsyncIterable<string>) {
    const lines = `${rest}${piece}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as T
}

export interface ServerEvent {
  readonly event: string
  readonly data: string
}

/** State that a client needs to connect again after a stream of events. */
export interface Reconnection {
  /** Sent as `Last-Event-ID`; empty before the first event with an id. */
  lastEventId: string
  /** The wait before the next connection, in milliseconds; set by the field `retry`. */
  delayMs: number
}

// An event is one campaign, a few kilobytes; a larger one is not from the API.
const MAX_EVENT_CHARACTERS = 4 * 1024 * 1024

/** The events of a `text/event-stream` without its comments; keeps `reconnection` up to date. */
export async function* serverEvents(body: Readable, reconnection?: Reconnection): AsyncGenerator<ServerEvent> {
  const arrived: ServerEvent[] = []
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: ({ event = 'message', data }) => arrived.push({ event, data }),
    onId: (id) => {
      if (reconnection !== undefined) reconnection.lastEventId = id
    },
    onRetry: (delayMs) => {
      if (reconnection !== undefined) reconnection.delayMs = delayMs
    },
  })
  body.setEncoding('utf8')
  for await (const piece of body as AsyncIterable<string>) {
    parser.feed(piece)
    yield* arrived.splice(0)
  }
}
