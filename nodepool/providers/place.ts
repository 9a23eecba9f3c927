/** Places of hosts that are always there: `host/0`, `host/1`. */
export function placeId(host: string, slot: number): string {
  return `${host}/${slot}`;
}

/** `local/3` → `local` */
export function hostOfPlace(place: string): string {
  return place.slice(0, place.lastIndexOf('/'));
}

/** `local/3` → 3 */
export function slotOf(place: string): number {
  return Number(place.slice(place.lastIndexOf('/') + 1)) || 0;
}
