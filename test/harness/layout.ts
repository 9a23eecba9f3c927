import { readLayout } from '../../pipelines/layout/read.ts';
import type { Layout } from '../../pipelines/layout.ts';
import type { SiteConfig } from '../../pipelines/ports.ts';

/** A configuration from the text of a layout, with every job defined; `away`: jobs without a definition. */
export function configFrom(
  text: string,
  digest = 'd0',
  away: readonly string[] = [],
  functions: readonly string[] = [],
): SiteConfig {
  return configOf(layoutFrom(text, functions), digest, away);
}

export function layoutFrom(text: string, functions: readonly string[] = []): Layout {
  const { layout, problems } = readLayout([{ name: 'layout.yaml', text }], {
    dialect: 'stackgate',
    connections: { gerrit: 'gerrit', smtp: 'smtp' },
    functions,
  });
  if (layout === undefined) throw new Error(problems.map(({ message }) => message).join('\n'));
  return layout;
}

function configOf(layout: Layout, digest: string, away: readonly string[]): SiteConfig {
  const names = Object.keys(layout.jobs).filter((name) => !away.includes(name));
  return {
    digest,
    layout,
    jobs: Object.fromEntries(names.map((name) => [name, {}])),
    needs: {},
    settings: {
      accounts: { gerrit: ['jenkins'] },
      gitUrl: 'http://zm/p',
      jobNameInReport: true,
      reportTimes: true,
    },
  };
}
