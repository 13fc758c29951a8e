import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

/** A command as MONITOR reports it. `source` is the address of the client, or `lua` for a command inside a script. */
export interface SeenCommand {
  readonly source: string
  readonly args: readonly string[]
}

/**
 * Reports each command that Redis runs, from before the promise resolves until the returned function is called.
 *
 * `Redis.monitor()` of ioredis 6.0.0 fails on a busy server: when the reply to MONITOR and the first reported command
 * arrive together, it takes the command for the reply to a command of its own.
 */
export async function watchCommands(redisUrl: string, seen: (command: SeenCommand) => void): Promise<() => void> {
  const { hostname, port, username, password } = new URL(redisUrl)
  const socket = connect({ host: hostname, port: Number(port === '' ? 6379 : port) })
  const lines = createInterface({ input: socket, crlfDelay: Infinity })
  const started = Promise.withResolvers<void>()
  socket.once('error', started.reject)
  const login =
    password === '' ? [] : ['AUTH', ...(username === '' ? [] : [username]), password].map(decodeURIComponent)
  const requests = [login, ['MONITOR']].filter((words) => words.length > 0)
  let unanswered = requests.length
  lines.on('line', (line) => {
    if (line.startsWith('-')) started.reject(new Error(`Redis refused MONITOR: ${line.slice(1)}`))
    else if (unanswered === 0) seen(parse(line))
    else if (--unanswered === 0) started.resolve()
  })
  await once(socket, 'connect')
  for (const words of requests) socket.write(`*${words.length}\r\n${words.map(bulkString).join('')}`)
  await started.promise
  return () => {
    lines.close()
    socket.destroy()
  }
}

function bulkString(word: string): string {
  return `$${Buffer.byteLength(word)}\r\n${word}\r\n`
}

/** `+1795729934.249103 [0 127.0.0.1:53436] "exists" "key"`; escapes stay as they are, names of commands have none. */
function parse(line: string): SeenCommand {
  const source = /\[\d+ ([^\]]+)\]/.exec(line)?.[1] ?? ''
  const args = line.slice(line.indexOf(']') + 2).match(/"(?:[^"\\]|\\.)*"/g) ?? []
  return { source, args: args.map((arg) => arg.slice(1, -1)) }
}
