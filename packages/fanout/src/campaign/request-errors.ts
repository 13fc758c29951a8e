import type { AppSettings, CampaignRequest, InputError } from '@wns-fanout/domain'
import {
  DAY_MS,
  endOfLocalDate,
  lintNotification,
  localTimeFields,
  MAX_LIFE_MS,
  openPeriod,
  outsideOf,
  Problem,
} from '@wns-fanout/domain'
import { valueErrors } from './missing.ts'
import { isPersonal, MAX_LISTED_WITHOUT_PLACEHOLDER } from './guideline.ts'

/** Throws a Problem `invalid` with all errors, unless there are none. */
export function rejectErrors(errors: readonly InputError[]): void {
  const [first] = errors
  if (first === undefined) return
  const more = errors.length === 1 ? '' : ` (and ${errors.length - 1} more)`
  throw new Problem('invalid', `${first.detail}${more}`, { inputErrors: errors })
}

/** Errors that the schema of a request cannot see: in its notification, its times and its right to be personalized. */
export function requestErrors(app: AppSettings, request: CampaignRequest, nowMs: number): InputError[] {
  const errors = lintNotification(request.notification, { credentialsKind: app.credentialsKind }).map((error) => ({
    ...error,
    path: ['notification', ...error.path],
  }))
  // Only an intact notification shows whether it has placeholders.
  const personalization = errors.length === 0 ? [...personalizationErrors(app, request), ...valueErrors(request)] : []
  return [
    ...errors,
    ...timeErrors(request, nowMs),
    ...localTimeErrors(request, nowMs),
    ...windowErrors(app, request),
    ...personalization,
  ]
}

function personalizationErrors(app: AppSettings, request: CampaignRequest): InputError[] {
  if (request.update !== 'personalized' || app.allowFasterThanGuideline !== undefined || isPersonal(request)) return []
  const limit = `at most ${MAX_LISTED_WITHOUT_PLACEHOLDER} listed channels`
  const detail = `a personalized update needs a {{vars.…}} placeholder, or ${limit}; send it as generic`
  return [{ path: ['update'], code: 'not-personalized', detail }]
}

const HOUR_MS = 3_600_000
/** The last instant that ISO 8601 writes with four digits of the year. */
const LAST_INSTANT_MS = 253_402_300_799_999

/** Errors in the start and the expiry of a request, each of which is a valid time by itself. */
export function timeErrors(
  { startAt, expiresAt }: Pick<CampaignRequest, 'startAt' | 'expiresAt'>,
  nowMs: number,
): InputError[] {
  const startAtMs = instantMs(startAt) ?? nowMs
  const expiresAtMs = instantMs(expiresAt) ?? startAtMs + DAY_MS
  if (startAtMs + MAX_LIFE_MS > LAST_INSTANT_MS)
    return outOfRange('startAt', 'startAt is too far away: the campaign must end before the year 10000')
  if (expiresAt === undefined && expiresAtMs <= nowMs)
    return outOfRange('startAt', 'startAt is more than 24 hours ago, so the campaign has ended; give an expiresAt too')
  if (expiresAtMs <= Math.max(startAtMs, nowMs))
    return outOfRange('expiresAt', 'expiresAt must be in the future and after startAt')
  if (expiresAtMs - startAtMs > MAX_LIFE_MS)
    return outOfRange('expiresAt', 'expiresAt must be at most 7 days after the start')
  return []
}

function fault(field: string, code: string, detail: string): InputError {
  return { path: [field], code, detail }
}

/** Errors in the local time of a request. */
function localTimeErrors(request: CampaignRequest, nowMs: number): InputError[] {
  const { localTime, localDate, pace } = request
  if (localTime === undefined)
    return localTimeFields
      .filter((field) => request[field] !== undefined)
      .map((field) =>
        fault(field, 'without-local-time', `${field} needs a localTime, such as "07:00"; add it or remove both`),
      )
  const errors: InputError[] = []
  if (pace !== undefined)
    errors.push(fault('pace', 'pace-and-local-time', 'a campaign has a pace or a localTime, not both; remove one'))
  if (localDate === undefined) return errors
  const startAtMs = instantMs(request.startAt) ?? nowMs
  if (endOfLocalDate(localDate) <= startAtMs)
    errors.push(fault('localDate', 'out-of-range', 'localDate has ended in every time zone when the campaign starts'))
  if ((instantMs(request.expiresAt) ?? expiryOfWaves(request, nowMs)) - startAtMs > MAX_LIFE_MS)
    errors.push(
      fault('localDate', 'out-of-range', 'localDate must be at most 4 days after the start; give a later startAt'),
    )
  return errors
}

/** Errors in the hours of the day in which a campaign may post. */
function windowErrors({ quietHours }: AppSettings, request: CampaignRequest): InputError[] {
  const { sendWindow, ignoreQuietHours, priority, pace } = request
  const errors: InputError[] = []
  if (ignoreQuietHours === true && priority !== 'urgent')
    errors.push(fault('ignoreQuietHours', 'not-urgent', 'only a campaign with priority urgent may ignore quiet hours'))
  if (sendWindow === undefined) return errors
  if (pace !== undefined)
    errors.push(fault('pace', 'pace-and-window', 'a campaign has a pace or a sendWindow, not both; remove one'))
  if (quietHours === undefined || ignoreQuietHours === true || quietHours.zone !== sendWindow.zone) return errors
  // The clocks of one zone decide about both, so any zone shows whether they are ever open together.
  if (openPeriod([sendWindow, outsideOf(quietHours)], 'UTC', 0) === undefined)
    errors.push(
      fault(
        'sendWindow',
        'never-open',
        'sendWindow is within the quiet hours of the app, so nothing would ever be sent',
      ),
    )
  return errors
}

/**
 * When a campaign expires that has waves and names no time for it: a day after its last zone gets it. Clocks that are
 * put back make a day an hour longer.
 */
export function expiryOfWaves(
  { startAt, localDate }: Pick<CampaignRequest, 'startAt' | 'localDate'>,
  nowMs: number,
): number {
  const startAtMs = instantMs(startAt) ?? nowMs
  // A zone whose time has passed on that date gets it on the next day.
  return Math.max(startAtMs + DAY_MS, localDate === undefined ? 0 : endOfLocalDate(localDate)) + DAY_MS + HOUR_MS
}

/** Milliseconds of a time of a request. */
export function instantMs(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text)
}

function outOfRange(field: 'startAt' | 'expiresAt', detail: string): InputError[] {
  return [{ path: [field], code: 'out-of-range', detail }]
}
