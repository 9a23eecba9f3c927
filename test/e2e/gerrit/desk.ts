import { randomBytes } from 'node:crypto';
import { BuildPage, type BuildView, EventPage, type EventView } from '../../../server/contract.ts';
import type { Stackgate } from '../../harness/inprocess.ts';
import { type Detail, detail, type Message, reports, until } from './look.ts';
import type { Rest } from './rest.ts';
import type { Push, RealGerrit } from './site.ts';

/** What people do on a real Gerrit, and what they see there and on Stackgate's pages. */
export interface Desk {
  /** A change whose file `verdict` decides how its job goes. */
  push(verdict: string, more?: Partial<Push>, project?: string): Promise<number>;
  review(number: number, input: object, by?: Rest): Promise<unknown>;
  /** Waits for so many reports of the CI, and answers all. */
  reported(number: number, count?: number): Promise<Message[]>;
  builds(number: number): Promise<BuildView[]>;
  running(number: number, count?: number): Promise<BuildView>;
  /** The change, once Gerrit shows it so. */
  inStatus(number: number, status: Detail['status']): Promise<Detail>;
  events(number: number): Promise<EventView[]>;
  /** The console behind the first link of a report. */
  consoleOf(message: string): Promise<string>;
}

export function changeId(): string {
  return `I${randomBytes(20).toString('hex')}`;
}

export function deskAt(gerrit: RealGerrit, stackgate: Stackgate): Desk {
  const builds = async (number: number) =>
    (await stackgate.client.get(`/api/v1/builds?change=${number}`, BuildPage)).builds;
  return {
    builds,
    push: (verdict, more = {}, project = 'org/demo') =>
      gerrit.push(project, { files: { verdict: `${verdict}\n` }, ...more }),
    review: (number, input, by = gerrit.developer) =>
      by.call('POST', `changes/${number}/revisions/current/review`, input),
    reported: (number, count = 1) =>
      until(`${count} reports on ${number}`, async () => {
        const all = await reports(gerrit, number);
        return all.length >= count && all;
      }),
    running: (number, count = 1) =>
      until(`build ${count} of ${number} runs`, async () => {
        const all = await builds(number);
        return all.length >= count && all.find(({ state }) => state === 'running');
      }),
    inStatus: (number, status) =>
      until(`${number} is ${status}`, async () => {
        const seen = await detail(gerrit, number);
        return seen.status === status && seen;
      }),
    events: async (number) =>
      (await stackgate.client.get('/api/v1/events?limit=200', EventPage)).events.filter((event) =>
        event.change?.startsWith(`${number},`),
      ),
    async consoleOf(message) {
      const url = /http:\S+/.exec(message)?.[0] ?? '';
      return (await fetch(new URL('console.txt', url))).text();
    },
  };
}
