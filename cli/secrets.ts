import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import type { JobDefinition } from '../jobs/definition.ts';
import { didYouMean, type Problem } from '../jobs/problem.ts';
import { placeOf } from '../jobs/resolve.ts';
import type { JobTree, Layout } from '../pipelines/layout.ts';
import { own } from '../pipelines/own.ts';
import type { SealedParams, SiteConfig, Store } from '../pipelines/ports.ts';
import { runPipeline } from '../pipelines/rules.ts';
import { passwordDefaults, withParameters } from '../pipelines/sealed.ts';
import { openFor, sealedParams, sealFor } from '../workers/secrets/params.ts';
import type { SecretRule, SecretSettings } from '../workers/secrets/settings.ts';
import { type SiteHome, type SitePlaces, sitePath } from './site.ts';
import { type Site } from './sitekeys.ts';

/** The secrets of the site file, with every path made absolute. */
export function secretSettings(
  site: Site,
  base: string,
  env: NodeJS.ProcessEnv = process.env,
): SecretSettings {
  const { file, key } = site['secret-store'];
  const rules = Object.entries(site.secrets).map(([name, rule]): [string, SecretRule] => [
    name,
    rule.file === undefined ? rule : { ...rule, file: sitePath(base, rule.file) },
  ]);
  return {
    rules: Object.fromEntries(rules),
    store: {
      file: sitePath(base, file ?? join(site.data, 'secrets.sealed')),
      key: sitePath(base, key),
    },
    env,
  };
}

/** The secret parameters of requests, under the key of the site. */
export function siteParams(home: SiteHome, store: Store): SealedParams {
  return sealedParams(store, secretSettings(home.site, home.base).store.key);
}

/** What the defaults of all password parameters are sealed for. */
const DEFAULTS = 'defaults';

/** A configuration as the database may hold it: without the defaults of password parameters, which go along sealed. */
export async function sealDefaults(home: SiteHome, config: SiteConfig): Promise<SiteConfig> {
  const defaults = passwordDefaults(config.jobs);
  if (Object.keys(defaults).length === 0) return config;
  const { key } = secretSettings(home.site, home.base).store;
  const without = (job: unknown, name: string): unknown =>
    withParameters(job, Object.fromEntries(Object.keys(defaults[name] ?? {}).map((each) => [each, ''])));
  const texts = Object.entries(defaults).map(([name, params]) => [name, JSON.stringify(params)]);
  return {
    ...config,
    jobs: Object.fromEntries(Object.entries(config.jobs).map(([name, job]) => [name, without(job, name)])),
    sealed: await sealFor(DEFAULTS, Object.fromEntries(texts), key),
  };
}

/** The jobs of a configuration with the defaults of their password parameters. */
export async function jobsWithDefaults(home: SiteHome, config: SiteConfig): Promise<SiteConfig['jobs']> {
  if (config.sealed === undefined) return config.jobs;
  const { key } = secretSettings(home.site, home.base).store;
  const defaults = await openFor(DEFAULTS, config.sealed, key);
  const jobs = Object.entries(config.jobs).map(([name, job]): [string, unknown] => {
    const text = own(defaults, name);
    return [name, text === undefined ? job : withParameters(job, Texts.parse(JSON.parse(text)))];
  });
  return Object.fromEntries(jobs);
}

const Texts = z.record(z.string(), z.string());

export interface SecretScene {
  readonly site: Site;
  readonly base: string;
  readonly layout: Layout;
  readonly jobs: Readonly<Record<string, JobDefinition>>;
  readonly at?: SitePlaces | undefined;
}

/** Secrets that lie where everybody who may read the configuration may read them, and bindings that bind to nothing. */
export function secretProblems(scene: SecretScene): Problem[] {
  return [...misplaced(scene), ...unbound(scene), ...wanted(scene)];
}

function misplaced({ site, base, at }: SecretScene): Problem[] {
  const settings = secretSettings(site, base, {});
  const configured = [
    base,
    dirname(sitePath(base, site.layout)),
    ...[site.jobs].flat().map((path) => sitePath(base, path)),
  ];
  const repositories = new Set(configured.flatMap((path) => repositoryOf(path) ?? []));
  const paths: [readonly string[], string][] = Object.entries(settings.rules).flatMap(([name, rule]) =>
    rule.file === undefined ? [] : [[['secrets', name, 'file'], rule.file]],
  );
  if (Object.values(settings.rules).some((rule) => rule.store === true))
    paths.push([['secret-store', 'key'], settings.store.key]);
  return paths.flatMap(([key, path]): Problem[] => {
    const repository = [...repositories].find((root) => isBelow(root, path));
    if (repository === undefined) return [];
    return [
      {
        severity: 'error',
        code: 'secret-in-repository',
        message: `${key.join('.')} lies in the configuration's own git repository ${repository}`,
        at: at?.(key),
        hint: 'keep it elsewhere: what is in a repository is read by everybody who ever clones it',
      },
    ];
  });
}

/** The innermost directory with a `.git` at or above a path. */
function repositoryOf(path: string): string | undefined {
  if (existsSync(join(path, '.git'))) return path;
  const parent = dirname(path);
  return parent === path ? undefined : repositoryOf(parent);
}

function isBelow(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && !way.startsWith('..') && !way.startsWith('/');
}

function unbound({ site, layout, jobs, at }: SecretScene): Problem[] {
  const pipelines = [...layout.pipelines.map(({ name }) => name), runPipeline];
  const known = { jobs: Object.keys(jobs), pipelines };
  return Object.entries(site.secrets).flatMap(([secret, rule]) =>
    (['jobs', 'pipelines'] as const).flatMap((kind) =>
      rule[kind].flatMap((name, index): Problem[] => {
        if (known[kind].includes(name)) return [];
        const near = didYouMean(name, known[kind]);
        return [
          {
            severity: 'warning',
            code: 'secret-binding',
            message: `secret ${secret} is bound to ${kind === 'jobs' ? 'job' : 'pipeline'} \`${name}\`, which there is not`,
            at: at?.(['secrets', secret, kind, index]),
            hint: near === undefined ? undefined : `did you mean \`${near}\`?`,
          },
        ];
      }),
    ),
  );
}

/** Secrets that jobs name: whether the site has them, for this job, in the pipelines it runs in. */
function wanted({ site, layout, jobs }: SecretScene): Problem[] {
  const runs = pipelinesOf(layout);
  return Object.values(jobs).flatMap((job) => {
    const names = (job.bindings ?? []).flatMap((binding) =>
      binding.kind === 'ssh-agent' && binding.optional ? [] : [binding.secret],
    );
    return [...new Set(names)].flatMap((secret): Problem[] => {
      const rule = Object.hasOwn(site.secrets, secret) ? site.secrets[secret] : undefined;
      const at = placeOf(job);
      if (rule === undefined || !rule.jobs.includes(job.name)) {
        const near = rule === undefined ? didYouMean(secret, Object.keys(site.secrets)) : undefined;
        const bind = `name it under secrets.${secret} in stackgate.yaml: jobs: [${job.name}], pipelines: [...]`;
        return [
          {
            severity: site.unsupported === 'error' ? 'error' : 'warning',
            code: rule === undefined ? 'secret-unknown' : 'secret-unbound',
            message: `job \`${job.name}\` wants the secret \`${secret}\`, which ${rule === undefined ? 'the site does not have' : 'is not bound to it'}`,
            at,
            hint: near === undefined ? bind : `did you mean \`${near}\`?`,
          },
        ];
      }
      const without = [...(runs.get(job.name) ?? [])].filter((name) => !rule.pipelines.includes(name));
      if (without.length === 0) return [];
      return [
        {
          severity: 'warning',
          code: 'secret-unbound',
          message: `job \`${job.name}\` does not get the secret \`${secret}\` in ${without.join(', ')}, and its builds there will miss it`,
          at,
          hint: `secrets.${secret}.pipelines names ${rule.pipelines.join(', ')}`,
        },
      ];
    });
  });
}

function pipelinesOf(layout: Layout): ReadonlyMap<string, ReadonlySet<string>> {
  const runs = new Map<string, Set<string>>();
  const note = (trees: readonly JobTree[], pipeline: string): void => {
    for (const { job, children } of trees) {
      runs.set(job, (runs.get(job) ?? new Set<string>()).add(pipeline));
      note(children, pipeline);
    }
  };
  for (const { pipelines } of Object.values(layout.projects))
    for (const [pipeline, trees] of Object.entries(pipelines)) note(trees, pipeline);
  return runs;
}
