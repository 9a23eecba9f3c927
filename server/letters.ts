/** Where UTF-8 may be cut: bytes of a console arrive in any pieces, letters leave whole. */

function isInside(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Length of the beginning of `bytes` that ends with a whole letter. What can be no letter at all counts as whole. */
export function wholeLetters(bytes: Uint8Array): number {
  let lead = bytes.length - 1;
  while (lead >= 0 && bytes.length - lead < 4 && isInside(bytes[lead])) lead -= 1;
  const byte = bytes[lead] ?? 0;
  const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
  return length > 1 && lead + length > bytes.length ? lead : bytes.length;
}

/** Bytes at the beginning that belong to a letter which began before. */
export function brokenLetter(bytes: Uint8Array): number {
  let from = 0;
  while (from < 3 && isInside(bytes[from])) from += 1;
  return from;
}
