import { createRequire } from 'node:module';
import { z } from 'zod';
import { noOwnParts, type OwnParts } from '../jobs/own.ts';
import type { Problem } from '../jobs/problem.ts';
import type { OwnPublishers } from '../workers/publishers/plugin.ts';
import { sitePath } from './site.ts';
import { type Site } from './sitekeys.ts';

/**
 * The site's own builders and publishers: one JavaScript module beside the site file, named with `plugins:`. It runs with our
 * rights, so it is read from the operator's disk alone, never from a repository that patches are written for.
 */
export interface Plugins {
  readonly parts: OwnParts;
  readonly publishers: OwnPublishers;
  readonly problems: readonly Problem[];
}

type Check = OwnParts['publishers'][string];

const isFunction = (value: unknown): value is (...given: unknown[]) => unknown => typeof value === 'function';
const Builder = z.custom<OwnParts['builders'][string]>(isFunction, 'a builder is a function');
const Check = z.custom<Check>(isFunction, 'check is a function');
const Publish = z.custom<OwnPublishers[string]>(isFunction, 'a publisher has a function publish');
const Module = z.looseObject({
  builders: z.record(z.string(), Builder).default({}),
  publishers: z.record(z.string(), z.object({ check: Check.optional(), publish: Publish })).default({}),
});

const none: Plugins = { parts: noOwnParts, publishers: {}, problems: [] };

/** Loaded once in a process: a change of the module needs a restart. */
export function readPlugins(site: Pick<Site, 'plugins'>, base: string): Plugins {
  if (site.plugins === undefined) return none;
  const file = sitePath(base, site.plugins);
  let loaded: unknown;
  try {
    loaded = createRequire(import.meta.url)(file);
  } catch (caught) {
    const why = caught instanceof Error ? caught.message : String(caught);
    return wrong(file, `cannot load ${file}: ${why.split('\n')[0] ?? why}`);
  }
  const read = Module.safeParse(loaded);
  if (!read.success) {
    const [issue] = read.error.issues;
    return wrong(file, `${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it cannot be read'}`);
  }
  const { builders, publishers } = read.data;
  const entries = Object.entries(publishers);
  const checks = entries.map(([name, { check }]): [string, Check] => [name, check ?? (() => undefined)]);
  return {
    parts: { builders, publishers: Object.fromEntries(checks) },
    publishers: Object.fromEntries(entries.map(([name, { publish }]) => [name, publish])),
    problems: [],
  };
}

function wrong(file: string, message: string): Plugins {
  const hint = 'A module exports `builders` and `publishers`; docs/jobs.md has an example.';
  const at = { file, line: 1, column: 1 };
  return { ...none, problems: [{ severity: 'error', code: 'plugins', message, at, hint }] };
}
