import type { AnswerTrace, DeviceState } from '@wns-fanout/domain'
import { parseRetryAfter } from './retry-after.ts'

/** Headers of an answer; names in any case, a repeated header as a list (its first value counts). */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** The headers of an answer that decide its meaning, read in one pass. */
export interface ReadAnswer {
  /** Did WNS itself answer? It shows by an X-WNS header. */
  readonly fromWns: boolean
  /** X-WNS-STATUS, or the older X-WNS-NOTIFICATIONSTATUS; lower case, empty when both are missing. */
  readonly wnsStatus: string
  readonly description: string
  readonly device: DeviceState | undefined
  readonly retryAfter: string | undefined
  readonly continueAfter: string | undefined
  readonly trace: AnswerTrace
}

export function readAnswer(headers: AnswerHeaders): ReadAnswer {
  let fromWns = false
  let status: string | undefined
  let olderStatus: string | undefined
  let device: string | undefined
  let description: string | undefined
  let msgId: string | undefined
  let debugTrace: string | undefined
  let msCv: string | undefined
  let retryAfter: string | undefined
  let continueAfter: string | undefined
  for (const key of Object.keys(headers)) {
    const listed = headers[key]
    const value = typeof listed === 'object' ? listed[0] : listed
    if (value === undefined) continue
    const name = key.toLowerCase()
    if (name.startsWith('x-wns-')) {
      fromWns = true
      if (name === 'x-wns-status') status = value
      else if (name === 'x-wns-notificationstatus') olderStatus = value
      else if (name === 'x-wns-msg-id') msgId = value
      else if (name === 'x-wns-debug-trace') debugTrace = value
      else if (name === 'x-wns-deviceconnectionstatus') device = value
      else if (name === 'x-wns-error-description') description = value
      else if (name === 'x-wns-continue-after') continueAfter = value
    } else if (name === 'ms-cv') msCv = value
    else if (name === 'retry-after') retryAfter = value
  }
  const shownStatus = printable(status ?? olderStatus, 32)
  const shownDescription = printable(description, 200)
  const trace = traceOf(
    shownStatus,
    shownDescription,
    printable(msgId, 32),
    printable(debugTrace, 64),
    printable(msCv, 128),
  )
  return {
    fromWns,
    wnsStatus: shownStatus?.trim().toLowerCase() ?? '',
    description: shownDescription ?? '',
    device: device === undefined ? undefined : deviceState(device),
    retryAfter,
    continueAfter,
    trace,
  }
}

/** The longer of the two waits, if the answer has both. */
export function retryAfterOf(answer: ReadAnswer, nowMs: number): number | undefined {
  const retryAfterMs = parseRetryAfter(answer.retryAfter, nowMs)
  const continueAfterMs = parseRetryAfter(answer.continueAfter, nowMs)
  if (retryAfterMs === undefined) return continueAfterMs
  return continueAfterMs === undefined ? retryAfterMs : Math.max(retryAfterMs, continueAfterMs)
}

function deviceState(text: string): DeviceState {
  switch (text.trim().toLowerCase()) {
    case 'connected':
      return 'connected'
    // The grammar in the documentation has tempdisconnected, its table has tempconnected; both mean offline for now.
    case 'disconnected':
    case 'tempdisconnected':
    case 'tempconnected':
      return 'disconnected'
    default:
      return 'unknown'
  }
}

const plain = /^[\x20-\x7e]*$/

// These texts reach results and terminals, so control characters of a hostile or broken answer are removed.
function printable(text: string | undefined, maxLength: number): string | undefined {
  if (text === undefined || text === '') return undefined
  const short = text.length > maxLength ? text.slice(0, maxLength) : text
  return plain.test(short) ? short : short.replaceAll(/[^\x20-\x7e]/g, '?')
}

function traceOf(
  wnsStatus: string | undefined,
  description: string | undefined,
  msgId: string | undefined,
  debugTrace: string | undefined,
  msCv: string | undefined,
): AnswerTrace {
  const trace: { -readonly [K in keyof AnswerTrace]: AnswerTrace[K] } = {}
  if (wnsStatus !== undefined) trace.wnsStatus = wnsStatus
  if (description !== undefined) trace.description = description
  if (msgId !== undefined) trace.msgId = msgId
  if (debugTrace !== undefined) trace.debugTrace = debugTrace
  if (msCv !== undefined) trace.msCv = msCv
  return trace
}
