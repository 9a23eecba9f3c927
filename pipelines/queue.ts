import { Fault } from './fault.ts';
import { type Item, subjectKey } from './item.ts';
import { count, type Draft, drop, put, type QueueRow } from './world.ts';

/**
 * Queues of items. The list gives the order; `ahead` says on whose future an item is built, which differs from the list
 * once something in between fails: nobody builds on a failing item.
 */

export function mustItem(draft: Draft, id: string): Item {
  const item = draft.tables.items.get(id);
  if (item === undefined) throw new Fault('bug', `no item ${id}`);
  return item;
}

export function mustQueue(draft: Draft, id: string): QueueRow {
  const queue = draft.tables.queues.get(id);
  if (queue === undefined) throw new Fault('bug', `no queue ${id}`);
  return queue;
}

/** Replaces some fields of an item. */
export function change(draft: Draft, id: string, fields: Partial<Item>): Item {
  const next = { ...mustItem(draft, id), ...fields };
  if (fields.ahead !== undefined) draft.followers.delete(next.queue);
  put(draft, 'items', id, next);
  return next;
}

export function changeQueue(draft: Draft, id: string, fields: Partial<QueueRow>): QueueRow {
  const next = { ...mustQueue(draft, id), ...fields };
  put(draft, 'queues', id, next);
  return next;
}

/** Queues of a pipeline, in order. */
export function queuesOf(draft: Draft, pipeline: string): QueueRow[] {
  const queues: QueueRow[] = [];
  for (const queue of draft.tables.queues.values()) if (queue.pipeline === pipeline) queues.push(queue);
  return queues.sort((a, b) => a.order - b.order);
}

/** Items of a pipeline, queue by queue, front first. */
export function itemsOf(draft: Draft, pipeline: string): Item[] {
  return queuesOf(draft, pipeline).flatMap((queue) => queue.items.map((id) => mustItem(draft, id)));
}

export function openQueue(
  draft: Draft,
  queue: Omit<QueueRow, 'id' | 'order' | 'items'> & { order?: number },
): QueueRow {
  const serial = count(draft, 'queue');
  const row: QueueRow = { order: serial, ...queue, id: `q${serial}`, items: [] };
  put(draft, 'queues', row.id, row);
  return row;
}

/** Questions of one step for which looking through all items is cheaper than an index of them. */
const FEW = 4;

/** Items about a subject, in any pipeline. */
export function itemsAbout(draft: Draft, key: string): Item[] {
  const { about } = draft;
  about.asked += 1;
  if (about.asked <= FEW && about.index === undefined) {
    const found: Item[] = [];
    for (const item of draft.tables.items.values()) if (subjectKey(item.subject) === key) found.push(item);
    return found;
  }
  about.index ??= indexItems(draft);
  return [...(about.index.get(key) ?? [])].map((id) => mustItem(draft, id));
}

function indexItems(draft: Draft): Map<string, Set<string>> {
  const index = new Map<string, Set<string>>();
  for (const item of draft.tables.items.values()) link(index, subjectKey(item.subject), item.id);
  return index;
}

export function isInQueue(draft: Draft, queue: QueueRow, key: string): boolean {
  return itemsAbout(draft, key).some((item) => item.queue === queue.id);
}

/** Puts an item at the end of a queue; with `alone` it stands on nobody. */
export function append(
  draft: Draft,
  item: Omit<Item, 'queue' | 'ahead'>,
  queueId: string,
  alone: boolean,
): Item {
  const queue = mustQueue(draft, queueId);
  const ahead = alone ? null : (queue.items.at(-1) ?? null);
  const placed: Item = { ...item, queue: queueId, ahead };
  put(draft, 'items', item.id, placed);
  put(draft, 'queues', queueId, { ...queue, items: [...queue.items, item.id] });
  draft.followers.delete(queueId);
  if (draft.about.index !== undefined) link(draft.about.index, subjectKey(item.subject), item.id);
  draft.dirty.add(queueId);
  return placed;
}

function followersIn(draft: Draft, queueId: string): Map<string, Set<string>> {
  const known = draft.followers.get(queueId);
  if (known !== undefined) return known;
  const followers = new Map<string, Set<string>>();
  for (const id of mustQueue(draft, queueId).items) {
    const { ahead } = mustItem(draft, id);
    if (ahead !== null) link(followers, ahead, id);
  }
  draft.followers.set(queueId, followers);
  return followers;
}

function link(followers: Map<string, Set<string>>, ahead: string, id: string): void {
  const known = followers.get(ahead);
  if (known === undefined) followers.set(ahead, new Set([id]));
  else known.add(id);
}

/** Those who build directly on an item. They always stand behind it in the list. */
export function behind(draft: Draft, item: Item): Item[] {
  return [...(followersIn(draft, item.queue).get(item.id) ?? [])].map((id) => mustItem(draft, id));
}

/** An item and all that builds on it, directly or not. */
export function withFollowers(draft: Draft, item: Item): Item[] {
  const found = [item];
  for (const each of found) found.push(...behind(draft, each));
  return found;
}

/** Lets an item build on another, with all who build on it; or `alone`: they build on what it left. */
export function moveBehind(draft: Draft, item: Item, ahead: string | null, alone: boolean): void {
  const followers = followersIn(draft, item.queue);
  if (alone) leaveLinks(draft, followers, item);
  else if (item.ahead !== null) followers.get(item.ahead)?.delete(item.id);
  if (ahead !== null) link(followers, ahead, item.id);
  put(draft, 'items', item.id, { ...mustItem(draft, item.id), ahead });
}

function leaveLinks(draft: Draft, followers: Map<string, Set<string>>, item: Item): void {
  for (const id of followers.get(item.id) ?? []) {
    put(draft, 'items', id, { ...mustItem(draft, id), ahead: item.ahead });
    if (item.ahead !== null) link(followers, item.ahead, id);
  }
  followers.delete(item.id);
  if (item.ahead !== null) followers.get(item.ahead)?.delete(item.id);
}

/** Takes an item out, and leaves its queue to the caller. */
export function dropItem(draft: Draft, item: Item): void {
  drop(draft, 'items', item.id);
  draft.about.index?.get(subjectKey(item.subject))?.delete(item.id);
  draft.prune = true;
}

/** Takes an item out. A dynamic queue goes with its last item. */
export function remove(draft: Draft, id: string): void {
  const item = mustItem(draft, id);
  leaveLinks(draft, followersIn(draft, item.queue), item);
  const queue = mustQueue(draft, item.queue);
  const items = queue.items.filter((other) => other !== id);
  dropItem(draft, item);
  if (items.length === 0 && queue.dynamic) {
    drop(draft, 'queues', queue.id);
    draft.dirty.delete(queue.id);
    return;
  }
  put(draft, 'queues', queue.id, { ...queue, items });
  draft.dirty.add(queue.id);
}

/** Items on whose future this one is built, furthest first. */
export function stackOf(draft: Draft, item: Item): Item[] {
  const stack: Item[] = [];
  for (let id = item.ahead; id !== null; ) {
    const ahead = mustItem(draft, id);
    stack.push(ahead);
    id = ahead.ahead;
  }
  return stack.reverse();
}
