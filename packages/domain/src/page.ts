import type { Ordinal } from './ids.ts'

/** Channels in a page. A page is a run of consecutive ordinals that is stored, stamped and gated together. */
export const PAGE_SIZE = 512

export const pageOf = (ordinal: Ordinal): number => Math.floor(ordinal / PAGE_SIZE)
export const slotOf = (ordinal: Ordinal): number => ordinal % PAGE_SIZE
export const pagesFor = (ordinals: number): number => Math.ceil(ordinals / PAGE_SIZE)
