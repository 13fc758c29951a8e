import type { ListLine } from './import.ts'
import type {
  Audience,
  Campaign,
  CampaignRequest,
  ListName,
  RecipientClass,
  AppId,
  AppSettings,
  CampaignId,
  CampaignState,
} from '@wns-fanout/domain'

export type Verb = 'read' | 'register' | 'send' | 'admin'
export interface Caller {
  readonly id: string
  readonly apps: readonly string[]
  readonly verbs: readonly Verb[]
}
export interface ApiKeyView {
  readonly id: string
  readonly name: string
  readonly apps: readonly string[]
  readonly verbs: readonly Verb[]
  readonly createdAt: string
  readonly expiresAt?: string | undefined
}
export interface ApiKeysPort {
  verify(key: string): Promise<Caller | null>
  create(request: {
    name: string
    apps: readonly string[]
    verbs: readonly Verb[]
    expiresAt?: string | undefined
  }): Promise<ApiKeyView & { key: string }>
  list(): Promise<readonly ApiKeyView[]>
  revoke(id: string): Promise<boolean>
}
export interface CampaignsPort {
  create(app: AppSettings, request: CampaignRequest): Promise<Campaign>
  estimate(
    app: AppSettings,
    request: CampaignRequest,
  ): Promise<{ audienceSize: number; estimate: { seconds: number; ratePerSecond: number } }>
  get(id: CampaignId): Promise<Campaign | null>
  appOf(id: CampaignId): Promise<AppId | null>
  list(
    app: AppId,
    query: { state?: CampaignState; after?: string; limit: number },
  ): Promise<{ items: Campaign[]; next?: string }>
  pause(id: CampaignId): Promise<Campaign>
  resume(id: CampaignId): Promise<Campaign>
  cancel(id: CampaignId): Promise<Campaign>
  retryFailed(id: CampaignId, options: { includeInDoubt?: boolean }): Promise<Campaign>
  results(id: CampaignId, cls?: RecipientClass): AsyncIterable<Result>
  samples(id: CampaignId): Promise<{ items: object[] }>
}
export interface Result {
  readonly channel: string
  readonly class: RecipientClass
  readonly status?: number
  readonly reason?: string
  readonly attempts: number
}
export interface CountPort {
  count(app: AppId, audience: Audience): Promise<number>
}
export interface ListView {
  readonly list: string
  readonly size: number
  readonly unknown: number
}
export interface ListsPort {
  put(app: AppId, list: ListName, lines: AsyncIterable<ListLine>): Promise<ListView>
  get(app: AppId, list: ListName): Promise<ListView | null>
  delete(app: AppId, list: ListName): Promise<boolean>
}
export interface IdempotencyPort {
  once(
    app: AppId,
    key: string,
    request: unknown,
    act: () => Promise<{ status: number; body: unknown }>,
  ): Promise<{ status: number; body: unknown; replayed: boolean }>
}
