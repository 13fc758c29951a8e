import type { Readable } from 'node:stream'

/** The objects of a stream of JSON lines; throws when the stream breaks off. Leaving the loop ends the stream. */
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

/** The events of a `text/event-stream`; comments are left out. */
export async function* serverEvents(body: Readable): AsyncGenerator<ServerEvent> {
  let rest = ''
  body.setEncoding('utf8')
  for await (const piece of body as AsyncIterable<string>) {
    rest += piece.replaceAll('\r\n', '\n')
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = parseEvent(rest.slice(0, end))
      rest = rest.slice(end + 2)
      if (event !== undefined) yield event
    }
  }
}

function parseEvent(block: string): ServerEvent | undefined {
  let event = 'message'
  const data: string[] = []
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim()
    else if (line.startsWith('data:')) data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') }
}
