import type { BehaviorName } from './behaviors.ts'

/** The answer of a behavior and its source, as the README and `GET /v1/behaviors` show it. */
export interface Evidence {
  /** Status and status word of the first post; `-` without a complete answer. */
  readonly answer: string
  readonly note: string
  /** `documented` or `observed` with source keys of the README, or `ours`. */
  readonly source: string
}

export const evidence: Readonly<Record<BehaviorName, Evidence>> = {
  ok: { answer: '200 received', note: 'at once', source: 'documented [HDR]' },
  dropped: { answer: '200 dropped', note: 'not delivered', source: 'documented [HDR][RAW]' },
  offline: { answer: '200 dropped', note: 'device `disconnected`', source: 'observed [O-OFF]' },
  sleeping: {
    answer: '200 received',
    note:
      'device `disconnected`; kept for it (raw only with `cache`, others unless `no-cache`), ' +
      'else `dropped` with the reason',
    source: 'documented [HDR][OVW], text observed [O-OFF]',
  },
  gone: { answer: '410 dropped', note: '`Channel URL expired`', source: 'documented [HDR], text ours' },
  revoked: { answer: '410 revoked', note: '`Revoked channel URL`', source: 'observed [O-410]' },
  blocked: { answer: '410 dropped', note: '`Domain Blocked`', source: 'documented [HDR]' },
  unknown: { answer: '404 dropped', note: 'also for any unknown word', source: 'documented [HDR][TRB]' },
  unauthorized: {
    answer: '401 dropped',
    note: 'every time, to a token that other channels accept',
    source: 'observed [O-401]',
  },
  throttled: {
    answer: '200 channelthrottled',
    note: 'the first post that reaches the device, with `Retry-After: 2`; later ones `received`',
    source: 'documented [HDR]',
  },
  forbidden: { answer: '403 dropped', note: '`Channel URL incompatible with caller app`', source: 'observed [O-403]' },
  badheader: { answer: '400 dropped', note: 'every time', source: 'documented [HDR]' },
  error: { answer: '500 dropped', note: 'every time, without a description', source: 'observed [O-500]' },
  unavailable: { answer: '503 dropped', note: 'with `Retry-After: 1`, every time', source: 'documented [HDR]' },
  reset: { answer: '-', note: 'RST after the request was read; not accepted', source: 'ours' },
  cut: { answer: '-', note: 'accepted: half the answer, then RST', source: 'ours' },
  hangup: { answer: '-', note: 'FIN after the request was read; not accepted', source: 'ours' },
  stall: { answer: '-', note: 'nothing, ever; not accepted', source: 'ours' },
  slow: { answer: '200 received', note: '`slow-<ms>`: after this delay', source: 'ours' },
  drip: { answer: '200 received', note: '`drip-<ms>`: in 16 pieces over this time', source: 'ours' },
  flaky: {
    answer: '500 dropped',
    note: '`flaky-<percent>`: this share of posts, by a hash of id and post number; else `received`',
    source: 'ours',
  },
}
