import type { ComponentType } from 'preact';
import { BuildPage } from './pages/build.tsx';
import { BuildsPage } from './pages/builds.tsx';
import { ChangePage } from './pages/change.tsx';
import { ConfigPage } from './pages/config.tsx';
import { ConsolePage } from './pages/console.tsx';
import { JobPage } from './pages/job.tsx';
import { JobsPage } from './pages/jobs.tsx';
import { LedgerPage } from './pages/ledger.tsx';
import { NodesPage } from './pages/nodes.tsx';
import { RunPage } from './pages/run.tsx';
import { StatusPage } from './pages/status.tsx';

/** Pages by address. Each takes the names that its address carries. */

export interface Found {
  readonly page: ComponentType<{ names: readonly string[] }>;
  readonly names: readonly string[];
  readonly title: string;
}

const pages: readonly (readonly [
  RegExp,
  ComponentType<{ names: readonly string[] }>,
  (names: readonly string[]) => string,
])[] = [
  [/^\/$/, StatusPage, () => 'Status'],
  [/^\/builds$/, BuildsPage, () => 'Builds'],
  [/^\/build\/([0-9a-f]+)$/, BuildPage, ([uuid = '']) => `Build ${uuid.slice(0, 7)}`],
  [/^\/build\/([0-9a-f]+)\/console$/, ConsolePage, ([uuid = '']) => `Console ${uuid.slice(0, 7)}`],
  [/^\/change\/(\d+(?:(?:,|%2C)\d+)?)$/, ChangePage, ([change = '']) => `Change ${change}`],
  [/^\/ledger$/, LedgerPage, () => 'Ledger'],
  [/^\/jobs$/, JobsPage, () => 'Jobs'],
  [/^\/job\/([^/]+)$/, JobPage, ([name = '']) => `Job ${name}`],
  [/^\/nodes$/, NodesPage, () => 'Nodes'],
  [/^\/config$/, ConfigPage, () => 'Configuration'],
  [/^\/run$/, RunPage, () => 'Run a job'],
];

export function pageAt(path: string): Found | undefined {
  for (const [form, page, title] of pages) {
    const match = form.exec(path);
    if (match === null) continue;
    const names = match.slice(1).map(decoded);
    return { page, names, title: title(names) };
  }
  return undefined;
}

export function isPage(path: string): boolean {
  return pageAt(path) !== undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
