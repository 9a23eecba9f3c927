import type { Explained } from '../../pipelines/explain.ts';
import { explainChange, explainEvent, renderExplained } from '../../pipelines/explain.ts';
import type { JobRule, Layout } from '../../pipelines/layout.ts';
import { suppose } from '../../pipelines/suppose.ts';
import { ExplainView } from '../../server/contract.ts';
import { type ClientOptions, CommandError, connect } from '../client.ts';
import { jobNames } from '../config.ts';
import {
  type Described,
  type Description,
  describedChange,
  type Happening,
  happening,
} from '../described.ts';
import { type LayoutOptions, loadLayout, mainConnection } from '../layout.ts';
import { printable } from '../text.ts';

export interface ExplainOptions extends Description, LayoutOptions, ClientOptions {
  readonly vote: readonly string[];
  /** Show the jobs of pipelines that say no, too. */
  readonly all: boolean;
  readonly json: boolean;
}

/**
 * `stackgate explain`: which pipelines want a change or an event, which of their jobs run, and which rule decided. With a
 * description of the change no server is needed; with a number alone the running server looks at it.
 */
export async function explain(
  change: string | undefined,
  options: ExplainOptions,
  now = Date.now(),
): Promise<number> {
  if (change !== undefined && !/^[1-9]\d*(,[1-9]\d*)?$/.test(change))
    throw new CommandError(`${JSON.stringify(change)} is no change`, 2, 'expected NUMBER or NUMBER,PATCHSET');
  const given: ExplainOptions = { ...options, change };
  const view = isOffline(given) ? offline(given, now) : await online(given, now);
  process.stdout.write(options.json ? `${JSON.stringify(view)}\n` : `${explainText(view, options.all)}\n`);
  return 0;
}

function isOffline({ change, layout, project, changeFile }: ExplainOptions): boolean {
  return change === undefined || layout !== undefined || project !== undefined || changeFile !== undefined;
}

function offline(given: ExplainOptions, now: number): ExplainView {
  const { config } = loadLayout(given);
  const connection = mainConnection(config.layout);
  const happened = happening(given, connection, now);
  const described = describedChange(given, happened, connection, now);
  const { settings } = config;
  const { layout } = config;
  if (happened?.raw !== undefined) {
    const { event } = happened.raw;
    const explanation = explainEvent(layout, event, described?.change, now, settings);
    return { explanation, notes: notesOf(layout, event.number === undefined ? undefined : described) };
  }
  if (described === undefined)
    throw new CommandError(
      'which change?',
      2,
      'describe it (--project P --branch B --files a,b), give a file (--change-file, --event), or its number to a running server',
    );
  if (happened === undefined)
    return { explanation: explainChange(layout, described.change, now), notes: notesOf(layout, described) };
  const { event, change } = suppose(described.change, happened.supposed, now);
  return {
    explanation: explainEvent(layout, event, change, now, settings),
    notes: notesOf(layout, described),
  };
}

function notesOf(layout: Layout, described: Described | undefined): string[] {
  if (described === undefined) return [];
  const { change, unknown } = described;
  const project = Object.hasOwn(layout.projects, change.project)
    ? layout.projects[change.project]
    : undefined;
  const looksAtFiles = Object.values(project?.pipelines ?? {})
    .flatMap(jobNames)
    .map((job) => layout.jobs[job])
    .some((rule) => rule !== undefined && isAboutFiles(rule));
  const notes: string[] = [];
  if (unknown.includes('files') && looksAtFiles)
    notes.push('no files are given (--files): jobs that look at files are judged as if none had changed');
  if (unknown.includes('votes'))
    notes.push('votes are known only as far as the event has them; --change-file says all');
  return notes;
}

function isAboutFiles({ files, irrelevantFiles, skipIf }: JobRule): boolean {
  const skips = skipIf.some(({ allFilesMatchAny }) => allFilesMatchAny.length > 0);
  return files.length + irrelevantFiles.length > 0 || skips;
}

async function online(given: ExplainOptions, now: number): Promise<ExplainView> {
  const happened = happening(given, '', now);
  checkSame(given.change, happened);
  const query = new URLSearchParams();
  const add = (key: string, value: string | undefined) => {
    if (value !== undefined) query.append(key, value);
  };
  if (happened !== undefined) {
    const { type, comment, by, votes } = happened.supposed;
    add('type', type);
    add('comment', comment);
    add('user', by.username);
    add('email', by.email);
    for (const { label, value } of votes) add('vote', `${label}=${value}`);
  }
  const [number = '', patchset] = (given.change ?? '').split(',');
  const name = patchset === undefined ? number : `${number},${patchset}`;
  return await connect(given).get(`/api/v1/explain/${name}?${query.toString()}`, ExplainView);
}

function checkSame(change: string | undefined, happened: Happening | undefined): void {
  const event = happened?.raw?.event;
  if (event === undefined || event.number === change?.split(',')[0]) return;
  const about = event.number === undefined ? 'no change' : `change ${event.number}`;
  throw new CommandError(
    `the event is about ${about}`,
    2,
    'leave the number out to explain the event by itself',
  );
}

export function explainText({ explanation, notes }: ExplainView, whole = false): string {
  const said = notes.map((note) => `note: ${printable(note)}`);
  return [renderExplained(withoutUndefined(explanation), whole), ...said].join('\n');
}

function withoutUndefined({ verdict, text, place, children }: ExplainView['explanation']): Explained {
  return {
    verdict,
    text,
    ...(place === undefined ? {} : { place }),
    children: children.map(withoutUndefined),
  };
}
