// One color means one thing on every dashboard. Series without a meaning of their own take Grafana's palette.
export const GREEN = '#73BF69'
export const BLUE = '#5794F2'
export const YELLOW = '#FADE2A'
export const ORANGE = '#FF9830'
export const RED = '#F2495C'
export const DARK_RED = '#C4162A'
export const PURPLE = '#B877D9'
export const GRAY = '#8E8E8E'
export const TEAL = '#5AC8C8'

/** Colors of the series of a panel by their name, which is a regular expression for the whole name. */
export type ColorsByName = Readonly<Record<string, string>>

/** Green is a success; blue was left out on purpose; purple is a dead channel; orange to red did not arrive. */
export const ofClasses: ColorsByName = {
  accepted: GREEN,
  suppressed: BLUE,
  gated: TEAL,
  unregistered: GRAY,
  cancelled: GRAY,
  dead: PURPLE,
  dropped: YELLOW,
  in_doubt: YELLOW,
  lapsed: ORANGE,
  rejected: RED,
  failed: DARK_RED,
}

export const ofStatuses: ColorsByName = {
  '200': GREEN,
  '404|410': PURPLE,
  '406|429': ORANGE,
  '400|401|403|405|407|408|413|4xx': RED,
  '5..': DARK_RED,
  none: GRAY,
}

export const ofHolds: ColorsByName = { none: GREEN, campaign: YELLOW, app: GRAY, breaker: RED }

export const ofCampaignStates: ColorsByName = {
  'scheduled.*': BLUE,
  'sending.*': GREEN,
  'completed.*': GREEN,
  'paused.*': YELLOW,
  'cancelled.*': GRAY,
  'expired.*': ORANGE,
  'halted.*': RED,
}

export const ofLanes: ColorsByName = { busy: GREEN, idle: BLUE, connecting: YELLOW, limit: GRAY }

/** A measured value beside its limits. */
export const ofLimits: ColorsByName = { '.*allowed': ORANGE, '.*configured': GRAY, wanted: ORANGE }

export const ofQuantiles: ColorsByName = { median: GREEN, p95: YELLOW, p99: ORANGE }
