import type { Ordinal } from './ids.ts'

/** Channels in a page. A page is a run of consecutive ordinals that is stored, stamped and gated together. */
export const PAGE_SIZE = 512

export function pageOf(ordinal: Ordinal): number {
  return Math.floor(ordinal / PAGE_SIZE)
}
export function slotOf(ordinal: Ordinal): number {
  return ordinal % PAGE_SIZE
}
export function pagesFor(ordinals: number): number {
  return Math.ceil(ordinals / PAGE_SIZE)
}
