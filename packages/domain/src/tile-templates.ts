// The templates of tiles. Sources: https://learn.microsoft.com/uwp/schemas/tiles/tilesschema/element-binding and
// https://learn.microsoft.com/uwp/api/windows.ui.notifications.tiletemplatetype (Windows 8 and 8.1),
// https://learn.microsoft.com/windows/apps/design/shell/tiles-and-notifications/adaptive-tiles-schema (adaptive),
// …/special-tile-templates-catalog (iconic; photos, people and contact are presentations of adaptive templates).

export const adaptiveTileTemplates = ['TileSmall', 'TileMedium', 'TileWide', 'TileLarge'] as const

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${String(index + 1).padStart(2, '0')}`)
}

const square = ['Block', 'Image', ...numbered('PeekImageAndText', 4), ...numbered('Text', 4)]
const wide = [
  ...numbered('BlockAndText', 2),
  'Image',
  ...numbered('ImageAndText', 2),
  'ImageCollection',
  ...numbered('PeekImage', 6),
  ...numbered('PeekImageAndText', 2),
  ...numbered('PeekImageCollection', 6),
  ...numbered('SmallImageAndText', 5),
  ...numbered('Text', 11),
]
const large = [
  ...numbered('BlockAndText', 2),
  'Image',
  ...numbered('ImageAndText', 2),
  ...numbered('ImageAndTextOverlay', 3),
  'ImageCollection',
  ...numbered('ImageCollectionAndText', 2),
  'SmallImageAndText01',
  ...numbered('SmallImagesAndTextList', 5),
  ...numbered('Text', 9),
  ...numbered('TextList', 3),
]

/** Names of Windows 8, which are also the values of `fallback`. */
export const tileTemplatesOfWindows8 = [
  ...square.map((name) => `TileSquare${name}`),
  ...wide.map((name) => `TileWide${name}`),
]

export const legacyTileTemplates = [
  ...tileTemplatesOfWindows8,
  ...square.map((name) => `TileSquare150x150${name}`),
  ...wide.map((name) => `TileWide310x150${name}`),
  ...large.map((name) => `TileSquare310x310${name}`),
  // Iconic tiles, and the templates of Windows Phone 8.1.
  'TileSquare71x71IconWithBadge',
  'TileSquare150x150IconWithBadge',
  'TileWide310x150IconWithBadgeAndText',
  'TileSquare71x71Image',
  'TileTall150x310Image',
  'TileSquare99x99IconWithBadge',
  'TileSquare210x210IconWithBadge',
  'TileWide432x210IconWithBadgeAndText',
]
