import type { Client } from '@wns-fanout/client'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { readJson } from '../input/read.ts'
import { fieldLines, tableLines } from '../terminal/table.ts'
import { warningLines } from './watching.ts'

interface AppOption {
  readonly app: string
}

type Schedule = Awaited<ReturnType<Client['schedule']>>
type ScheduleRequest = Parameters<Client['putSchedule']>[2]

export function addSchedules(program: Command): void {
  const schedules = program.command('schedules').description('Manage schedules: campaigns that repeat.')
  schedules
    .command('put <schedule> <file>')
    .description('Create or replace a schedule from a JSON file; "-" reads stdin.')
    .requiredOption('--app <app>', 'app id')
    .addHelpText(
      'after',
      `
The file holds {"cron": "0 8 * * 1-5", "timeZone": "Europe/Berlin", "campaign": {"notification": …, "audience": …}}.

Example:
  $ wns-fanout schedules put morning morning.json --app news`,
    )
    .action(async (schedule: string, file: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      // The API validates it and reports all problems at once.
      const request = (await readJson(file)) as ScheduleRequest
      await withApi(context, async (api) => {
        const made = await api.putSchedule(app, schedule, request)
        context.screen.show(made, [...warningLines(made.warnings), ...scheduleLines(schedule, made)])
      })
    })
  schedules
    .command('get <schedule>')
    .description('Show a schedule and its next five runs.')
    .requiredOption('--app <app>', 'app id')
    .action(async (schedule: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const found = await api.schedule(app, schedule)
        context.screen.show(found, scheduleLines(schedule, found))
      })
    })
  schedules
    .command('list')
    .description('List the schedules of an app.')
    .requiredOption('--app <app>', 'app id')
    .action(async ({ app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const found: Schedule[] = []
        for await (const schedule of api.schedules(app)) found.push(schedule)
        context.screen.show(
          { items: found },
          tableLines(
            ['schedule', 'cron', 'time zone', 'paused', 'next'],
            found.map((schedule) =>
              'cron' in schedule
                ? [
                    schedule.schedule,
                    schedule.cron,
                    schedule.timeZone,
                    schedule.paused ? 'yes' : 'no',
                    schedule.problem ?? schedule.next[0],
                  ]
                : [schedule.schedule, '', '', '', schedule.problem],
            ),
          ),
        )
      })
    })
  schedules
    .command('delete <schedule>')
    .description('Delete a schedule. Campaigns that it started continue.')
    .requiredOption('--app <app>', 'app id')
    .action(async (schedule: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        await api.deleteSchedule(app, schedule)
        context.screen.show({ deleted: schedule }, [`Deleted schedule ${schedule}.`])
      })
    })
}

function scheduleLines(name: string, schedule: Schedule): readonly string[] {
  if (!('cron' in schedule))
    return fieldLines([
      ['schedule', name],
      ['problem', schedule.problem],
    ])
  const { cron, timeZone, paused, createdBy, next, problem } = schedule
  return fieldLines([
    ['schedule', name],
    ['cron', `${cron} in ${timeZone}`],
    ['paused', paused ? 'yes' : 'no'],
    ['key', createdBy],
    ['next', next.join('\n          ')],
    ['problem', problem],
  ])
}
