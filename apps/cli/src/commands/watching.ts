import type { Client } from '@wns-fanout/client'
import type { Campaign, Warning } from '@wns-fanout/domain'
import { isFinished, isHeld } from '@wns-fanout/domain'
import type { Context } from '../context.ts'
import { Failure } from '../failure.ts'
import { classCounts, classMeanings, follow, stateOf } from '../follow.ts'
import { formatCount, formatShare } from '../terminal/format.ts'
import { createProgress } from '../terminal/progress.ts'
import { fieldLines, tableLines } from '../terminal/table.ts'
import { waveLines } from '../wave-lines.ts'

/** Shows the progress of a campaign until it ends or the operator interrupts; with `--json` one line per change. */
export async function watch(api: Client, campaign: Campaign, { screen, interrupted }: Context): Promise<void> {
  screen.say(`Campaign ${campaign.id} (Ctrl-C stops only the display)`)
  screen.writeLines(warningLines(campaign.warnings))
  const last = await follow(api, campaign, {
    progress: createProgress(screen, campaign.app),
    signal: interrupted,
    onUpdate: (now) => screen.emit(now),
  })
  if (!isFinished(last) && !isHeld(last)) {
    screen.say(
      `Still ${stateOf(last)}. To watch it again: wns-fanout campaigns watch ${last.id}. ` +
        `To cancel it: wns-fanout campaigns cancel ${last.id}.`,
    )
    return
  }
  if (!screen.json) screen.writeLines(['', ...campaignLines(last)])
  if (last.state !== 'completed')
    throw new Failure(
      'not-completed',
      `campaign ${last.id} ${isHeld(last) ? 'is' : 'ended as'} ${stateOf(last)}${hintOf(last)}`,
      {
        campaign: last.id,
      },
    )
}

function hintOf(campaign: Campaign): string {
  const { state, reason, id } = campaign
  if (isHeld(campaign))
    return (
      `; for the reason run "wns-fanout campaigns samples ${id}", then resume it with ` +
      `"wns-fanout campaigns resume ${id} --accept ${reason}" or cancel it`
    )
  if (state === 'halted') return `; for the reason run "wns-fanout campaigns samples ${id}"`
  if (reason === 'guard') return '; another campaign used the topic within the guard interval'
  return ''
}

/** Warnings about a request, one per line. */
export function warningLines(warnings: readonly Warning[] = []): readonly string[] {
  return warnings.map(({ pointer, detail }) => `Warning: ${pointer}: ${detail}`)
}

export function campaignLines(campaign: Campaign): readonly string[] {
  const { audienceSize, totals } = campaign
  const size = audienceSize ?? 0
  const counts = [...classCounts(campaign), ...(totals.pending > 0 ? [['pending', totals.pending] as const] : [])]
  return [
    ...fieldLines([
      ['campaign', campaign.id],
      ['name', campaign.name],
      ['app', campaign.app],
      ['state', stateOf(campaign)],
      ['detail', campaign.detail],
      ['type', `${campaign.type}, ${campaign.update}, topic ${campaign.topic}, ${campaign.delivery}`],
      ['created', campaign.createdAt],
      ['starts', campaign.startAt],
      ['expires', campaign.expiresAt],
      ['finished', campaign.finishedAt],
      ['parent', campaign.parent],
      ['recipients', audienceSize === null ? 'not frozen yet' : formatCount(audienceSize)],
      ['unknown channels', campaign.unknownChannels],
      ['opted out', nonZero(campaign.optedOut)],
      ['opted out of topic', nonZero(campaign.optedOutOfTopic)],
      ['local time passed', nonZero(campaign.localTimePassed)],
    ]),
    ...waveLines(campaign.waves),
    ...(counts.length === 0
      ? []
      : [
          '',
          ...tableLines(
            ['class', 'recipients', 'share', 'meaning'],
            counts.map(([name, count]) => [name, count, formatShare(count, size), classMeanings[name]]),
          ),
        ]),
  ]
}

function nonZero(count = 0): string | undefined {
  return count === 0 ? undefined : formatCount(count)
}
