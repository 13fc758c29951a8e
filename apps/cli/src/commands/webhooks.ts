import { readFile } from 'node:fs/promises'
import type { AppEventType, Webhook } from '@wns-fanout/domain'
import { appEventTypes, parseSecret } from '@wns-fanout/domain'
import type { Command } from 'commander'
import { Option } from 'commander'
import { withApi } from '../connection.ts'
import { contextOf } from '../context.ts'
import { Failure } from '../failure.ts'
import { fieldLines, tableLines } from '../terminal/table.ts'

interface AppOption {
  readonly app: string
}
interface PutOptions extends AppOption {
  readonly type?: AppEventType[]
  readonly disabled?: true
  readonly secretFile?: string
}

/** `webhooks put`, `get`, `list`, `delete` and `test`. */
export function addWebhooks(program: Command): void {
  const webhooks = program
    .command('webhooks')
    .description('Manage webhooks: URLs that the events of an app are posted to.')
  webhooks
    .command('put <webhook> <url>')
    .description('Create or replace a webhook. Shows the secret that signs its events, once, if it makes one.')
    .requiredOption('--app <app>', 'app id')
    .addOption(new Option('--type <type...>', 'only events of these types').choices(appEventTypes))
    .option('--disabled', 'deliver nothing for now')
    .option('--secret-file <file>', 'file with the secret (whsec_…) to sign with')
    .addHelpText('after', '\nExample:\n  $ wns-fanout webhooks put ops https://example.com/hooks --app news')
    .action(async (webhook: string, url: string, options: PutOptions, command: Command) => {
      const context = contextOf(command)
      const secret = options.secretFile === undefined ? undefined : await secretIn(options.secretFile)
      await withApi(context, async (api) => {
        const made = await api.putWebhook(options.app, webhook, {
          url,
          ...(options.type === undefined ? {} : { types: options.type }),
          enabled: options.disabled !== true,
          ...(secret === undefined ? {} : { secret }),
        })
        context.screen.show(made, [
          `Stored webhook ${webhook}.`,
          ...(made.secret === undefined ? [] : [`Its secret, which is not shown again: ${made.secret}`]),
        ])
      })
    })
  webhooks
    .command('get <webhook>')
    .description('Show a webhook and how far its events are delivered.')
    .requiredOption('--app <app>', 'app id')
    .action(async (webhook: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const found = await api.webhook(app, webhook)
        context.screen.show(found, lines(found))
      })
    })
  webhooks
    .command('list')
    .description('List the webhooks of an app.')
    .requiredOption('--app <app>', 'app id')
    .action(async ({ app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const items = await Array.fromAsync(api.webhooks(app))
        const rows = items.map((each) => [each.webhook, stateOf(each), each.url])
        context.screen.show({ items }, tableLines(['webhook', 'state', 'url'], rows))
      })
    })
  webhooks
    .command('delete <webhook>')
    .description('Delete a webhook.')
    .requiredOption('--app <app>', 'app id')
    .action(async (webhook: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        await api.deleteWebhook(app, webhook)
        context.screen.show({ deleted: webhook }, [`Deleted webhook ${webhook}.`])
      })
    })
  webhooks
    .command('test <webhook>')
    .description('Post a test event now. Exits with 1 if it was not delivered.')
    .requiredOption('--app <app>', 'app id')
    .action(async (webhook: string, { app }: AppOption, command: Command) => {
      const context = contextOf(command)
      await withApi(context, async (api) => {
        const { delivered, status, problem, durationMs } = await api.testWebhook(app, webhook)
        if (!delivered) throw new Failure('not-delivered', `The test event was not delivered: ${problem ?? 'unknown'}`)
        context.screen.show({ delivered, status, durationMs }, [`Delivered in ${durationMs} ms (status ${status}).`])
      })
    })
}

/** A secret on the command line could be read by every user of the machine. */
async function secretIn(file: string): Promise<string> {
  const parsed = parseSecret(await readFile(file, 'utf8'))
  if (!parsed.ok) throw new Failure('bad-secret', `${file}: ${parsed.detail}`)
  return parsed.secret
}

function lines(webhook: Webhook): readonly string[] {
  const { delivery, types, disabledReason } = webhook
  return fieldLines([
    ['url', webhook.url],
    ['types', types?.join(', ') ?? 'all'],
    ['state', stateOf(webhook)],
    ['disabled', disabledReason],
    ['cursor', delivery.cursor],
    ['problem', delivery.lastProblem],
    ['next attempt', delivery.nextAttemptAt],
  ])
}

function stateOf({ enabled, delivery }: Webhook): string {
  if (!enabled) return 'disabled'
  return delivery.failures > 0 ? `failing (${delivery.failures})` : 'enabled'
}
