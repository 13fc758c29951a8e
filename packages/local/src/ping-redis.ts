import { connect } from 'node:net'

export type PingAnswer = 'ready' | 'loading' | 'refused' | 'unreachable'

/**
 * Asks a Redis on 127.0.0.1 once whether it serves. `refused` is the answer of another server, or of one with another
 * password.
 */
export async function pingRedis(port: number, password: string, timeoutMs = 1000): Promise<PingAnswer> {
  return await new Promise<PingAnswer>((resolve) => {
    let answer = ''
    const socket = connect({ host: '127.0.0.1', port })
    const end = (result: PingAnswer): void => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(timeoutMs, () => end('unreachable'))
    socket.setEncoding('utf8')
    socket.once('connect', () => socket.write(`${command('AUTH', password)}${command('PING')}`))
    socket.once('error', () => end('unreachable'))
    socket.once('close', () => end('unreachable'))
    socket.on('data', (chunk: string) => {
      answer += chunk
      const [auth, ping] = answer.split('\r\n')
      if (auth !== undefined && answer.includes('\r\n') && auth !== '+OK') end('refused')
      else if (ping === '+PONG') end('ready')
      else if (ping?.startsWith('-LOADING') === true) end('loading')
      else if (ping?.startsWith('-') === true && answer.endsWith('\r\n')) end('refused')
    })
  })
}

function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`
}
