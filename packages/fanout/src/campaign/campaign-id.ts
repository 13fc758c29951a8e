import { createHash, randomBytes } from 'node:crypto'
import type { AppId, CampaignId } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'

const ID_BYTES = 10

/** A new id: 80 random bits in base 36. */
export function newCampaignId(): CampaignId {
  return inBase36(randomBytes(ID_BYTES))
}

/** The id that an idempotency key of an app stands for: always the same one. */
export function campaignIdOf(app: AppId, idempotencyKey: string): CampaignId {
  return inBase36(createHash('sha256').update(`${app}\0${idempotencyKey}`).digest().subarray(0, ID_BYTES))
}

function inBase36(bytes: Buffer): CampaignId {
  return BigInt(`0x${bytes.toString('hex')}`).toString(36) as CampaignId
}

/** The answer to an `Idempotency-Key` that was used for another request within the last day. */
export function keyOfAnother(): Problem {
  return new Problem('invalid', 'this Idempotency-Key was used for another request; use a new key for a new request')
}
