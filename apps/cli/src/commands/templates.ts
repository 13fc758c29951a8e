import type { Notification } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { readJson } from '../input/read.ts'
import { fieldLines, tableLines } from '../terminal/table.ts'

interface AppOption {
  readonly app: string
}

/** `templates put`, `get`, `list`, `delete` and `preview`. */
export function addTemplates(program: Command): void {
  const templates = program.command('templates').description('Manage templates: notifications with a name.')
  templates
    .command('put <template> <file>')
    .description('Create or replace a template from a JSON file with its notification; "-" reads stdin.')
    .requiredOption('--app <app>', 'app id')
    .addHelpText('after', '\nExample:\n  $ wns-fanout templates put forecast forecast.json --app news')
    .action(async (template: string, file: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      // The API validates it and reports all problems at once.
      const notification = (await readJson(file)) as Notification
      await withApi(context, async (api) => {
        const made = await api.putTemplate(app, template, notification)
        context.screen.show(made, [`Stored template ${template} (${made.notification.type}).`])
      })
    })
  templates
    .command('get <template>')
    .description('Show the notification of a template as JSON.')
    .requiredOption('--app <app>', 'app id')
    .action(async (template: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const found = await api.template(app, template)
        context.screen.show(found, [JSON.stringify(found.notification, null, 2)])
      })
    })
  templates
    .command('list')
    .description('List the templates of an app.')
    .requiredOption('--app <app>', 'app id')
    .action(async ({ app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const items = await Array.fromAsync(api.templates(app))
        const rows = items.map(({ template, notification, updatedAt }) => [template, notification.type, updatedAt])
        context.screen.show({ items }, tableLines(['template', 'type', 'updated'], rows))
      })
    })
  templates
    .command('delete <template>')
    .description('Delete a template. Campaigns keep the notification that they were created with.')
    .requiredOption('--app <app>', 'app id')
    .action(async (template: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        await api.deleteTemplate(app, template)
        context.screen.show({ deleted: template }, [`Deleted template ${template}.`])
      })
    })
  templates
    .command('preview <template>')
    .description('Show what would be posted to a channel, or without one to a recipient without variables.')
    .requiredOption('--app <app>', 'app id')
    .option('--channel <channel>', 'channel whose variables, locale and tags are used')
    .action(async (template: string, { app, channel }: AppOption & { channel?: string }, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const shown = await api.preview(app, { template, ...(channel === undefined ? {} : { channel }) })
        context.screen.show(
          shown,
          fieldLines([
            ['type', shown.type],
            ['not posted', shown.reason],
            ['lacking', shown.lacking.length === 0 ? undefined : shown.lacking.join(', ')],
            ['bytes', shown.bytes],
            ['body', shown.body],
          ]),
        )
      })
    })
}
