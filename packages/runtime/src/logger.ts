import { type DestinationStream, type Logger as PinoLogger, destination as openDestination, pino } from 'pino'
import { serializeError } from './error-fields.ts'
import { redactLine } from './redaction.ts'

export type Logger = PinoLogger

export interface LoggerOptions {
  readonly name: string
  /** The lowest level that is written, or `silent`; default `info`. */
  readonly level?: string
  /** Where the lines go; default stderr, since stdout belongs to the ready line. */
  readonly destination?: DestinationStream
}

const MAX_BUFFERED_BYTES = 4 * 1024 * 1024

/** A logger that writes one JSON line per event (level as a word, time as ISO 8601) and redacts secrets. */
export function createLogger({ name, level = 'info', destination = stderr() }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { name, pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError, cause: serializeError, reason: serializeError },
      hooks: { streamWrite: redactLine },
    },
    destination,
  )
}

// Asynchronous and bounded: a stalled reader of stderr costs log lines, never deliveries.
function stderr(): DestinationStream {
  return openDestination({ fd: 2, sync: false, maxLength: MAX_BUFFERED_BYTES })
}
