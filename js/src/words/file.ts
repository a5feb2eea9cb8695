// Why a file or a saved picture cannot be read, and what ends a request. Names are those of fields in the file.

// The head of a file.
export const noPayload = "This is not a saewidgets payload.";
export const newerFormat = (version: number, known: number): string =>
  `The payload has format ${version}; this version reads up to ${known}.`;
export const damaged = "The payload is damaged or cut short.";
export const damagedOrLarge = "The payload is damaged or too large.";
export const otherKind = (kind: string): string => `This is no payload of a ${kind}.`;
export const headerUnreadable = "The payload's header cannot be read.";

// Its buffers.
export const buffersMissing = "The list of buffers is missing.";
export const shapeUnreadable = "A buffer's shape cannot be read.";
export const bufferOutside = "A buffer lies outside the file.";
export const noBuffer = (name: string): string => `${name} names no buffer of its type.`;

// Its fields.
export const noObject = (name: string): string => `${name} is no object.`;
export const noList = (name: string): string => `${name} is no list.`;
export const otherType = (name: string, type: string): string => `${name} is no ${type}.`;
export const otherRows = (name: string, rows: number, expected: number): string =>
  `${name} has ${rows} rows, not ${expected}.`;

// A heatmap.
export const predictionsUnequal = "The predictions are of unequal shape.";

// Requests.
export const viewClosed = "The view was closed.";
